with heavy as (
    select user_id, sum(secnds) as seconds from {{ source('raw', 'plays') }} group by user_id
)
select user_id, seconds from heavy
