{{ config(materialized='table', primary_key='user_id') }}

select
    plays.user_id,
    max(users.name) as name
from {{ source('raw', 'users') }} as users
left join {{ source('raw', 'plays') }} as plays
    on plays.user_id = users.user_id
group by plays.user_id
