{{ config(materialized='table') }}
select a + b as n
from (values (cast(99999999999999999999999999999999999999 as decimal(38, 0)), cast(1 as decimal(38, 0)))) as t(a, b)
