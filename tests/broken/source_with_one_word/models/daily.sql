select user_id from {{ source('users') }}
