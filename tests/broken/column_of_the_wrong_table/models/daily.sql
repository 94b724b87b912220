select u.user_id, u.seconds from {{ source('raw', 'users') }} as u join {{ source('raw', 'plays') }} as p on u.user_id = p.user_id
