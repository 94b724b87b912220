select
    u.user_id,
    (select max(p.seconds) from {{ source('raw', 'plays') }} p where p.user_id = u.user_id and p.kind = 'live') as longest_live,
    exists (select 1 from {{ source('raw', 'users') }} g where g.invited_by = u.user_id) as has_guests,
    l.videos
from {{ source('raw', 'users') }} u
left join lateral (
    select count(distinct p.video_id) as videos from {{ source('raw', 'plays') }} p where p.user_id = u.user_id
) l on true
where u.country in (select country from {{ source('raw', 'users') }} where name like 'A%')
