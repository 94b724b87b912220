{{ config(materialized='table', primary_key=['user_id', 'title']) }}

select
    users.user_id,
    plays.title,
    count(*) as plays
from {{ source('raw', 'users') }} as users
inner join {{ source('raw', 'plays') }} as plays
    on plays.user_id = users.user_id
group by users.user_id, plays.title
