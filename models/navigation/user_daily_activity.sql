-- What each user did on each day that they came: the grain from which the windows of 7, 30 and 90 days are counted.
--
-- The table grows by every day, and most of its days never change again: so only days of which the feeds tell
-- something else than the table are computed. They are compared day by day and feed by feed, and not with the
-- latest load that the table has seen: a feed that comes late is not hidden by one that came in time.
{{ config(
    on_missing='keep',
    delete_when='plays + page_views + searches + logins = 0'
) }}
with activity as (

    select *
    from {{ ref('stg_activity') }}

),

{% if is_incremental() %}
delivered as (

    select
        user_id,
        event_date,
        count(*) filter (where activity = 'play') as plays,
        count(*) filter (where activity = 'page_view') as page_views,
        count(*) filter (where activity = 'search') as searches,
        count(*) filter (where activity = 'login') as logins,
        sum(watch_seconds) as watch_seconds
    from activity
    group by
        user_id,
        event_date

),

-- a day that the table has and the feeds no longer tell of is here too: it comes out without acts, and is deleted
changed as (

    select
        coalesce(delivered.user_id, counted.user_id) as user_id,
        coalesce(delivered.event_date, counted.activity_date) as event_date
    from delivered
    full outer join {{ this }} as counted
        on counted.user_id = delivered.user_id
        and counted.activity_date = delivered.event_date
    where (counted.plays is distinct from delivered.plays)
        or (counted.page_views is distinct from delivered.page_views)
        or (counted.searches is distinct from delivered.searches)
        or (counted.logins is distinct from delivered.logins)
        or (counted.watch_seconds is distinct from delivered.watch_seconds)

),
{% endif %}

selected as (

    {% if is_incremental() %}
    select
        changed.user_id,
        changed.event_date,
        activity.event_ts,
        activity.activity,
        activity.session_id,
        activity.watch_seconds
    from changed
    left join activity
        on activity.user_id = changed.user_id
        and activity.event_date = changed.event_date
    {% else %}
    select *
    from activity
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
    sum(watch_seconds) as watch_seconds
from selected
group by
    user_id,
    event_date
