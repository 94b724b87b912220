select p.play_id, u.country
from {{ source('raw', 'plays') }} as p
left join {{ source('raw', 'users') }} as u on u.user_id = p.user_id and u.country = 'FR'
where p.seconds > 10
    and (u.country = 'FR' or u.country is null)
    and coalesce(u.country, 'FR') = 'FR'
