select event_id, user_id from {{ source('raw', 'plays') }}
