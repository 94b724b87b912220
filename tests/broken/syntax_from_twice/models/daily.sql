select user_id from from {{ source('raw', 'users') }}
