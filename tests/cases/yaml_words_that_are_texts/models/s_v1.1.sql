select 'one-one' as v
