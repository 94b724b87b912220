{{ config(materialized='table') }}

select
    users.name,
    sum(users.balance) as balance,
    sum(plays.seconds) as seconds
from {{ source('raw', 'users') }} as users
inner join {{ source('raw', 'plays') }} as plays
    on plays.user_id = users.user_id
group by users.name
