{{ config(materialized='table', primary_key='user_id') }}

-- written otherwise, and the same all the same
with plays as (

    select * from {{ source('raw', 'plays') }}

)

select
    p.user_id,
    count(1) as views,
    max(p.event_ts) as last_ts
from plays as p
group by p.user_id
