-- The collector may deliver an event twice, byte for byte: distinct keeps one. Plays of people who were
-- not signed in stay here, without a user.
select distinct
    event_id,
    user_id,
    content_id,
    session_id,
    event_ts,
    cast(event_ts as date) as event_date,
    cast(watch_seconds as bigint) as watch_seconds,
    {{ clean_device('device') }} as device,
    loaded_at
from {{ source('raw', 'video_events') }}
where {{ is_visible() }}
