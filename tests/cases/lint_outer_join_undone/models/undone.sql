select p.play_id, u.country
from {{ source('raw', 'plays') }} as p
left join {{ source('raw', 'users') }} as u on u.user_id = p.user_id
where p.seconds > 10 and lower(u.country) in ('fr', 'be')
