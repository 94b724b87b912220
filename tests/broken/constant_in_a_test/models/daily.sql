select user_id from {{ source('raw', 'users') }}
