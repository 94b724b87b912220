{{ config(materialized='table') }}

select
    plays.event_id,
    users.name
from {{ source('raw', 'plays') }} as plays
inner join {{ source('raw', 'users') }} as users
    on users.user_id = plays.user_id
    and cast(plays.event_id as varchar) = users.zip
