select u.user_id from {{ source('raw', 'users') }} as u where premium join {{ source('raw', 'plays') }} as p on true
