select u.user_id from {{ source('raw', 'users') }} as u join people as p on p.user_id = u.user_id
