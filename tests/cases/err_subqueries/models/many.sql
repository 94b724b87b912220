{{ config(materialized='table') }}
select 1 as id, (select e from (values (1), (2)) as t(e)) as e
