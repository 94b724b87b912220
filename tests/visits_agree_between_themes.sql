-- Navigation counts days, devices count sessions, consumption counts plays: a user known to one of them as a
-- viewer is known to the others, and the plays by day, by device and by content type add up to the same.
with by_day as (

    select
        user_id,
        sum(plays) as plays
    from {{ ref('user_daily_activity') }}
    group by user_id

),

by_device as (

    select
        user_id,
        sum(plays) as plays
    from {{ ref('user_devices') }}
    group by user_id

),

by_content_type as (

    select
        user_id,
        sum(plays) as plays
    from {{ ref('user_video_consumption') }}
    group by user_id

)

select
    by_day.user_id,
    by_day.plays as plays_by_day,
    by_device.plays as plays_by_device,
    by_content_type.plays as plays_by_content_type
from by_day
full outer join by_device
    on by_device.user_id = by_day.user_id
full outer join by_content_type
    on by_content_type.user_id = by_day.user_id
where (by_day.plays is distinct from by_device.plays)
    or coalesce(by_day.plays, 0) <> coalesce(by_content_type.plays, 0)
