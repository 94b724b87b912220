{{ config(materialized='table') }}

select
    user_id,
    {# refx: allow(wall-clock) #}
    now() as computed_at
from {{ source('raw', 'plays') }}
