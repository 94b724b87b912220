{{ config(materialized='table') }}

select
    user_id,
    first_value(title order by event_ts desc, event_id desc) as last_title,
    -- two plays of one second with one title give the same title
    first_value(title order by event_ts, title) as first_title
from {{ source('raw', 'plays') }}
group by user_id
