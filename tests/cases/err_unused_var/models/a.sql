select {{ var('cutoff', 3) }} as id
