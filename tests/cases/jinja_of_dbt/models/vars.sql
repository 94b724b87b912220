select '{{ var('window') }}' as time_window, '{{ var('country') }}' as country
