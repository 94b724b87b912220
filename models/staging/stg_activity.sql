-- All that known users did, one row an act, from the four feeds that tell of acts. A login that failed is no visit.
with acts as (

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

)

select *
from acts
where {{ is_known_user() }}
