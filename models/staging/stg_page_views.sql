-- Pages opened, one row an event, however often it was delivered.
select
    event_id,
    min(user_id) as user_id,
    min(session_id) as session_id,
    min(page) as page,
    min(event_ts) as event_ts,
    {{ local_date('min(event_ts)') }} as event_date,
    min({{ clean_device('device') }}) as device,
    min(loaded_at) as loaded_at
from {{ source('raw', 'page_views') }}
where {{ is_visible() }}
group by event_id
