select p.play_id
from {{ source('raw', 'plays') }} as p
left join {{ source('raw', 'users') }} as u on u.user_id = p.user_id
where u.country = 'FR' -- refx: allow(outer-join-undone) the view is made for France
