{{ config(materialized='table') }}

select user_id
from {{ source('raw', 'plays') }}
where title = null
    or user_id not in (1, null)
