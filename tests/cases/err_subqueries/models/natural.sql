{{ config(materialized='table') }}
select *
from (values (1, 'a')) as l(id, name)
natural full join (values (2, 20)) as r(id, amount)
