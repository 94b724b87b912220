{{ config(materialized='table') }}
select id
from (select id, code from {{ ref('orders') }}) as o
where id > 0
    and to_date(code, '%Y-%m-%d') > date '2024-01-01'
