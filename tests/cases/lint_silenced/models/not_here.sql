{{ config(materialized='table') }}

-- refx: allow(wall-clock)
select
    user_id,
    now() as computed_at
from {{ source('raw', 'plays') }}
