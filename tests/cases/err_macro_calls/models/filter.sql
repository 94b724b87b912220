select {{ ['a', 'b'] | joined(', ') }}
