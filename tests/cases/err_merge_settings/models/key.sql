select 1 as id, 1 as a, 1 as b, 1 as c, 1 as at, true as gone
