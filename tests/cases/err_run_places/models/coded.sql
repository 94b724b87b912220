{{ config(materialized='view') }}
select id,
    cast(code as bigint) as code
from {{ ref('orders') }}
