{{ config(materialized='table') }}

select
    user_id,
    first_value(title order by event_ts desc) as last_title,
    max(event_ts) as last_ts
from {{ source('raw', 'plays') }}
group by user_id
