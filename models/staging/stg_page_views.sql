select distinct
    event_id,
    user_id,
    session_id,
    page,
    event_ts,
    cast(event_ts as date) as event_date,
    {{ clean_device('device') }} as device,
    loaded_at
from {{ source('raw', 'page_views') }}
where {{ is_visible() }}
