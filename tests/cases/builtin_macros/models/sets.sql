select * from (
(select 1 as a union all select 2)
{{ dbt.except() }}
select 2
{{ dbt.intersect() }}
select 1
) order by a
