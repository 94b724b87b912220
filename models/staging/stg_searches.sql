-- What people type, in one spelling: case and stray blanks do not make another query. One row an event, however
-- often it was delivered.
select
    event_id,
    min(user_id) as user_id,
    min(session_id) as session_id,
    min(lower(trim(query))) as query,
    min(cast(result_count as bigint)) as result_count,
    min(clicked_content_id) as clicked_content_id,
    min(event_ts) as event_ts,
    {{ local_date('min(event_ts)') }} as event_date,
    min({{ clean_device('device') }}) as device,
    min(loaded_at) as loaded_at
from {{ source('raw', 'searches') }}
where {{ is_visible() }}
group by event_id
