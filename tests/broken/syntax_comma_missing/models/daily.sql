select user_id country name from {{ source('raw', 'users') }}
