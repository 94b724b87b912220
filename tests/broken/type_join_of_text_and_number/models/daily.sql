select u.user_id from {{ source('raw', 'users') }} as u
join {{ source('raw', 'plays') }} as p on p.content_id = u.user_id
