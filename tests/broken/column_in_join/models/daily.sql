select u.user_id from {{ source('raw', 'users') }} as u
join {{ source('raw', 'plays') }} as p on u.user_id = p.usr_id
