select user_id, country from {{ source('raw', 'users') }}
union all
select user_id from {{ source('raw', 'plays') }}
