select user_id, country from {{ source('raw', 'users') }}
union all
select country, user_id from {{ source('raw', 'users') }}
