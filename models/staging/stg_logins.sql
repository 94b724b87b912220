select distinct
    event_id,
    user_id,
    event_ts,
    cast(event_ts as date) as event_date,
    {{ clean_device('device') }} as device,
    success as is_success,
    loaded_at
from {{ source('raw', 'logins') }}
where user_id is not null
    and {{ is_visible() }}
