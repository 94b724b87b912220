{{ config(materialized='table', primary_key=['user_id', 'event_date']) }}

select
    user_id,
    event_date,
    -- of another grain, and so another figure by nature
    count(*) as plays
from {{ source('raw', 'plays') }}
group by user_id, event_date
