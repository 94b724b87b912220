select u.*, p.* exclude (user_id, kind) from {{ source('raw', 'users') }} u join {{ source('raw', 'plays') }} p on p.user_id = u.user_id
