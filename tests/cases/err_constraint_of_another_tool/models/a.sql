select value as id, value * {{ var('by', 1) }} as v, 'secret' as note from generate_series(1, 3)
