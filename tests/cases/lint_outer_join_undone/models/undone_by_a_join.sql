select p.play_id, o.seconds
from {{ source('raw', 'plays') }} as p
left join {{ source('raw', 'users') }} as u on u.user_id = p.user_id
join {{ source('raw', 'plays') }} as o on o.user_id = u.user_id
