select p.play_id, u.country
from {{ source('raw', 'plays') }} as p
join {{ source('raw', 'users') }} as u on u.user_id = p.user_id
