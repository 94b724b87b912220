-- What people type, in one spelling: case and stray blanks do not make another query.
select distinct
    event_id,
    user_id,
    session_id,
    lower(trim(query)) as query,
    cast(result_count as bigint) as result_count,
    clicked_content_id,
    event_ts,
    cast(event_ts as date) as event_date,
    {{ clean_device('device') }} as device,
    loaded_at
from {{ source('raw', 'searches') }}
where {{ is_visible() }}
