{{ config(materialized='table', primary_key='id') }}
select * from (values (1, 5), (1, 7)) as t (id, updated_at)
