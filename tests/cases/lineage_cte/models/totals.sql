with live as (
    select user_id as viewer, seconds / 60 as minutes from {{ source('raw', 'plays') }} where kind = 'live'
),
summed as (
    select viewer, sum(minutes) as minutes, count(*) as plays from live group by viewer
)
select u.user_id, s.minutes as live_minutes, coalesce(s.plays, 0) as live_plays, 'live' as kind
from {{ source('raw', 'users') }} u left join summed s on s.viewer = u.user_id
