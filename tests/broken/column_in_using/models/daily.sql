select user_id from {{ source('raw', 'users') }} join {{ source('raw', 'plays') }} using (usr_id)
