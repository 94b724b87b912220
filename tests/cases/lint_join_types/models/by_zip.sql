{{ config(materialized='table') }}

select
    plays.event_id,
    users.name
from {{ source('raw', 'plays') }} as plays
inner join {{ source('raw', 'users') }} as users
    on users.zip = plays.user_id
