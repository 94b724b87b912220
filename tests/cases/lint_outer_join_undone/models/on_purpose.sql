-- `is not null` says that the author knows of the rows without a match.
select p.play_id, u.country
from {{ source('raw', 'plays') }} as p
left join {{ source('raw', 'users') }} as u on u.user_id = p.user_id
where u.user_id is not null
