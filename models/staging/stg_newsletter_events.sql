-- Opt-ins and opt-outs, one row an event, however often it was delivered.
select
    event_id,
    min(user_id) as user_id,
    min(newsletter) as newsletter,
    min(action) as action,
    min(event_ts) as event_ts,
    min(loaded_at) as loaded_at
from {{ source('raw', 'newsletter_events') }}
where user_id is not null
    and {{ is_visible() }}
group by event_id
