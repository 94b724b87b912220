{{ config(materialized='table', primary_key='user_id') }}

select
    user_id,
    count(distinct title) as plays,
    count(distinct event_date) as days
from {{ source('raw', 'plays') }}
group by user_id
