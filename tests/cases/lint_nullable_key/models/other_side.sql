{{ config(materialized='table', primary_key='user_id') }}

select
    users.user_id,
    max(plays.title) as title
from {{ source('raw', 'users') }} as users
left join {{ source('raw', 'plays') }} as plays
    on plays.user_id = users.user_id
group by users.user_id
