{{ config(materialized='table') }}

select user_id
from {{ source('raw', 'plays') }}
where event_ts >= date '2024-08-31'
    and event_date = '2024-08-31'
    and cast(event_ts as date) = event_date
    and title = '2001'
    and seconds > 1.5
