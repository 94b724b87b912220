-- The devices of each user, from the one they use most.
with by_device as (

    select
        user_id,
        device,
        min(event_ts) as first_used_ts,
        max(event_ts) as last_used_ts,
        count(distinct event_date) as active_days,
        count(distinct session_id) as sessions,
        count(*) filter (where activity = 'play') as plays,
        sum(watch_seconds) as watch_seconds
    from {{ ref('stg_activity') }}
    group by
        user_id,
        device

)

select
    user_id,
    device,
    cast(row_number() over (
        partition by user_id
        -- a device that could not be recognized is nobody's favourite
        order by device = 'unknown', sessions desc, watch_seconds desc, device
    ) as bigint) as device_rank,
    first_used_ts,
    last_used_ts,
    active_days,
    sessions,
    plays,
    watch_seconds,
    {{ ratio('sessions', 'sum(sessions) over (partition by user_id)') }} as session_share
from by_device
