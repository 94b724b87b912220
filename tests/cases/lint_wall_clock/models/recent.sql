{{ config(materialized='table') }}

select
    user_id,
    now() as computed_at,
    uuid() as row_id
from {{ source('raw', 'plays') }}
where event_date >= current_date - interval '30' day
