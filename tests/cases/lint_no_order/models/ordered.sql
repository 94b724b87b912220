{{ config(materialized='table') }}

select
    user_id,
    first_value(title order by event_ts, event_id) as first_title,
    string_agg(title, ', ' order by event_ts, event_id) as titles,
    array_length(array_agg(distinct title)) as distinct_titles
from {{ source('raw', 'plays') }}
group by user_id
order by user_id
limit 100
