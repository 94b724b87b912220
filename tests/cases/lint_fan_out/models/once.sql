{{ config(materialized='table') }}

with plays as (

    select
        user_id,
        sum(seconds) as seconds
    from {{ source('raw', 'plays') }}
    group by user_id

)

select
    users.name,
    sum(users.balance) as balance,
    sum(plays.seconds) as seconds
from {{ source('raw', 'users') }} as users
inner join plays
    on plays.user_id = users.user_id
group by users.name
