-- What each user did on each day that they came: the grain from which the windows of 7, 30 and 90 days are counted.
with activity as (

    select *
    from {{ ref('stg_activity') }}

),

{% if is_incremental() %}
-- only the days that new rows touch: a late event opens its own day again, not the user's whole life
touched as (

    select distinct
        user_id,
        event_date
    from activity
    where loaded_at > {{ last_load(this) }}

),
{% endif %}

selected as (

    select activity.*
    from activity
    {% if is_incremental() %}
    inner join touched
        on touched.user_id = activity.user_id
        and touched.event_date = activity.event_date
    {% endif %}

)

select
    user_id,
    event_date as activity_date,
    min(event_ts) as first_activity_ts,
    max(event_ts) as last_activity_ts,
    max(event_ts) filter (where activity = 'login') as last_login_ts,
    count(distinct session_id) as sessions,
    count(*) filter (where activity = 'play') as plays,
    count(*) filter (where activity = 'page_view') as page_views,
    count(*) filter (where activity = 'search') as searches,
    count(*) filter (where activity = 'login') as logins,
    sum(watch_seconds) as watch_seconds,
    max(loaded_at) as last_loaded_at
from selected
group by
    user_id,
    event_date
