{{ config(materialized='table') }}

select
    user_id,
    now() as computed_at
from {{ source('raw', 'plays') }}
