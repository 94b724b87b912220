{{ config(materialized='table') }}
select id
from (values (1, 'a')) as l(id, name)
full join (values (2, 20)) as r(id, amount) using (id)
where exists (select 1 from (values (1)) as t(e) where e = id)
