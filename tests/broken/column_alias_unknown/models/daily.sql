select u.user_id, v.country from {{ source('raw', 'users') }} as u
