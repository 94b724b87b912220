select user_id, seconds from {{ source('raw', 'plays') }}
