select user_id from {{ source('raw', 'users') }} order by 4 limit 2
