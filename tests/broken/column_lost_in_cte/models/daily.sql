with heavy as (
    select user_id from {{ source('raw', 'plays') }}
)
select user_id, seconds from heavy
