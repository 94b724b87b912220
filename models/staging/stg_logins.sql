-- Attempts to sign in, one row an event, however often it was delivered.
select
    event_id,
    min(user_id) as user_id,
    min(event_ts) as event_ts,
    {{ local_date('min(event_ts)') }} as event_date,
    min({{ clean_device('device') }}) as device,
    bool_and(success) as is_success,
    min(loaded_at) as loaded_at
from {{ source('raw', 'logins') }}
where user_id is not null
    and {{ is_visible() }}
group by event_id
