-- All that a known user did, one row an act. A login that failed is not a visit.
select
    user_id,
    event_ts,
    event_date,
    'play' as activity,
    session_id,
    device,
    coalesce(watch_seconds, 0) as watch_seconds,
    loaded_at
from {{ ref('stg_video_events') }}
where user_id is not null

union all

select
    user_id,
    event_ts,
    event_date,
    'page_view' as activity,
    session_id,
    device,
    0 as watch_seconds,
    loaded_at
from {{ ref('stg_page_views') }}
where user_id is not null

union all

select
    user_id,
    event_ts,
    event_date,
    'search' as activity,
    session_id,
    device,
    0 as watch_seconds,
    loaded_at
from {{ ref('stg_searches') }}
where user_id is not null

union all

select
    user_id,
    event_ts,
    event_date,
    'login' as activity,
    null as session_id,
    device,
    0 as watch_seconds,
    loaded_at
from {{ ref('stg_logins') }}
where is_success
