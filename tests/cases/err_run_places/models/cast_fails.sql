{{ config(materialized='table') }}
select
    id,
    total + 1 as more,
    cast(code as bigint) as code
from {{ ref('orders') }}
