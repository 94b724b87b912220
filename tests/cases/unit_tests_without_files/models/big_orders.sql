{{ config(materialized='table', primary_key='id') }}
select id, code, amount * 2 as doubled, day + interval '1 day' as next_day, note
from {{ source('raw', 'orders') }}
where id > 1
