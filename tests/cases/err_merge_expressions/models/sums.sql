select 1 as id, 1 as v, 'x' as said, true as gone, 1.5e0 as ratio
