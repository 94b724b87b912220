-- Plays, one row an event. A collector may deliver an event again, at once or days later. Its copies agree; should
-- they not, the least value of each column counts, in whatever order they came. Plays of people who were not signed
-- in stay here, without a user.
select
    event_id,
    min(user_id) as user_id,
    min(content_id) as content_id,
    min(session_id) as session_id,
    min(event_ts) as event_ts,
    {{ local_date('min(event_ts)') }} as event_date,
    -- a negative time is no measure
    min(case when watch_seconds >= 0 then cast(watch_seconds as bigint) end) as watch_seconds,
    min({{ clean_device('device') }}) as device,
    min(loaded_at) as loaded_at
from {{ source('raw', 'video_events') }}
where {{ is_visible() }}
group by event_id
