select user_id, seconds, kind from {{ source('raw', 'plays') }} where at is not null
