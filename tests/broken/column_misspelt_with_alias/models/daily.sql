select u.user_id, u.contry from {{ source('raw', 'users') }} as u
