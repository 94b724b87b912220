{{ config(materialized='table') }}

select user_id
from {{ source('raw', 'plays') }}
where event_ts = date '2024-08-31'
    or title = 2001
