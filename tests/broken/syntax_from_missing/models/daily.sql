select user_id {{ source('raw', 'users') }}
