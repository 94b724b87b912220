select user_id, country as user_id from {{ source('raw', 'users') }}
