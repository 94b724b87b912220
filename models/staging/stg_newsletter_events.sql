select distinct
    event_id,
    user_id,
    newsletter,
    action,
    event_ts,
    loaded_at
from {{ source('raw', 'newsletter_events') }}
where user_id is not null
    and {{ is_visible() }}
