select user_id from {{ source('raw', 'plays') }} where started_at > {{ as_of() }} - interval '3 dayz'
