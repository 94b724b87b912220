select user_id, kind, seconds from {{ source('raw', 'plays') }}
