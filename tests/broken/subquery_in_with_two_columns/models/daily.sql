select user_id from {{ source('raw', 'users') }} where user_id in (select user_id, seconds from {{ source('raw', 'plays') }})
