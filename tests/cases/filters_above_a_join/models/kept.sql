-- apache/datafusion#25259: pushed below the join by name, the filter kept other rows.
{{ config(materialized='table') }}
with a as (
  select * from (values (1, 1), (2, 20)) as t (k, x)
), b as (
  select * from (values (1, 5), (2, 6)) as t (k, x)
), prev as (
  select 10 as y
)
select a.k, a.x, b.x as other
from a
join (select * from b where x < 100) as b on a.k = b.k
where greatest(a.x, b.x) > (select max(y) from prev)
