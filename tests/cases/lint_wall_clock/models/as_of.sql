{{ config(materialized='table') }}

select
    user_id,
    {{ as_of() }} as computed_at,
    md5(title) as row_id
from {{ source('raw', 'plays') }}
where event_date >= {{ as_of() }} - interval '30' day
