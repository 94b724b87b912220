{{ config(materialized='table') }}

select
    user_id,
    now() as computed_at -- refx: allow(wall-clock) for those who watch the loads
from {{ source('raw', 'plays') }}
