{{ config(materialized='table') }}
select
    -- The sum passes the greatest bigint on its way.
    sum(n) as total,
    avg(n) as average,
    avg(big) as average_of_big,
    sum(exact) as of_decimals,
    avg(exact) as average_of_decimals,
    sum(cast(wide as decimal(38, 0))) + 10 as wider,
    cast(12345678901234567890.12 as decimal(38, 2)) as many_digits,
    99999999999999999999 as beyond_bigint
from (values
    (9223372036854775807, 9223372036854775807, 9007199254740993, cast(1 as decimal(5, 2))),
    (10, 10, 9007199254740993, 2),
    (-20, 20, 9007199254740993, 2)
) as t(n, wide, big, exact)
