select user_id, contry from {{ source('raw', 'users') }}
