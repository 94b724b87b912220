select user_id from {{ source('raw', 'users') }} where user_id and 1
