{{ config(materialized='table') }}

select
    user_id,
    -- refx: allow(wall-clock, no-order)
    now() as computed_at
from {{ source('raw', 'plays') }}
