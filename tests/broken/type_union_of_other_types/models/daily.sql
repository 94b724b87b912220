select user_id, born from {{ source('raw', 'users') }}
union all
select user_id, premium from {{ source('raw', 'users') }}
