-- refx: allow-file(wall-clock)
{{ config(materialized='table') }}

select
    user_id,
    now() as computed_at
from {{ source('raw', 'plays') }}
where event_date < current_date
