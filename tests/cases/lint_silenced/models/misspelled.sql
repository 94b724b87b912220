{{ config(materialized='table') }}

select
    user_id,
    now() as computed_at -- refx: allow(wall-clok)
from {{ source('raw', 'plays') }}
