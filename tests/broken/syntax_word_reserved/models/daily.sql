select user_id as order from {{ source('raw', 'users') }}
