-- When and how often each known user comes. The windows end at as_of(): they move for everybody every day,
-- so everybody is computed, and the merge writes those whose figures changed.
with visits as (

    select
        user_id,
        max(last_activity_ts) as last_activity_ts,
        max(last_login_ts) as last_login_ts,
        count(*) as active_days,
        count(*) filter (where activity_date >= {{ days_ago(7) }}) as active_days_7d,
        count(*) filter (where activity_date >= {{ days_ago(30) }}) as active_days_30d,
        count(*) filter (where activity_date >= {{ days_ago(90) }}) as active_days_90d,
        count(*) filter (
            where activity_date >= {{ days_ago(60) }}
                and activity_date < {{ days_ago(30) }}
        ) as active_days_previous_30d,
        coalesce(sum(sessions) filter (where activity_date >= {{ days_ago(30) }}), 0) as sessions_30d,
        coalesce(sum(page_views) filter (where activity_date >= {{ days_ago(30) }}), 0) as page_views_30d,
        coalesce(sum(logins) filter (where activity_date >= {{ days_ago(30) }}), 0) as logins_30d,
        coalesce(sum(logins) filter (where activity_date >= {{ days_ago(90) }}), 0) as logins_90d
    from {{ ref('user_daily_activity') }}
    group by user_id

),

completed as (

    select
        users.user_id,
        visits.last_activity_ts,
        visits.last_login_ts,
        coalesce(visits.active_days, 0) as active_days,
        coalesce(visits.active_days_7d, 0) as active_days_7d,
        coalesce(visits.active_days_30d, 0) as active_days_30d,
        coalesce(visits.active_days_90d, 0) as active_days_90d,
        coalesce(visits.active_days_previous_30d, 0) as active_days_previous_30d,
        coalesce(visits.sessions_30d, 0) as sessions_30d,
        coalesce(visits.page_views_30d, 0) as page_views_30d,
        coalesce(visits.logins_30d, 0) as logins_30d,
        coalesce(visits.logins_90d, 0) as logins_90d
    from {{ ref('stg_users') }} as users
    left join visits
        on visits.user_id = users.user_id

)

select
    user_id,
    last_activity_ts,
    last_login_ts,
    active_days,
    active_days_7d,
    active_days_30d,
    active_days_90d,
    active_days_previous_30d,
    sessions_30d,
    page_views_30d,
    logins_30d,
    logins_90d,
    {{ ratio('logins_90d * 7', '90') }} as logins_a_week,
    case
        when active_days = 0 then 'never'
        when active_days_90d = 0 then 'gone'
        when active_days_30d >= 20 then 'daily'
        when active_days_30d >= 4 then 'weekly'
        when active_days_30d >= 1 then 'monthly'
        else 'rare'
    end as visit_frequency
from completed
