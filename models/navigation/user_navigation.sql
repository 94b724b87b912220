-- When and how often each known user comes. The windows are whole days before the day of the run: they move for
-- everybody every day, so everybody is computed, and the merge writes those whose figures changed.
with visits as (

    select
        user_id,
        max(last_activity_ts) as last_activity_ts,
        max(activity_date) as last_activity_date,
        max(last_login_ts) as last_login_ts,
        count(*) as active_days,
        count(*) filter (where {{ in_last_days('activity_date', 7) }}) as active_days_7d,
        count(*) filter (where {{ in_last_days('activity_date', 30) }}) as active_days_30d,
        count(*) filter (where {{ in_last_days('activity_date', 90) }}) as active_days_90d,
        count(*) filter (where {{ in_last_days('activity_date', 30, before=30) }}) as active_days_previous_30d,
        coalesce(sum(sessions) filter (where {{ in_last_days('activity_date', 30) }}), 0) as sessions_30d,
        coalesce(sum(page_views) filter (where {{ in_last_days('activity_date', 30) }}), 0) as page_views_30d,
        coalesce(sum(logins) filter (where {{ in_last_days('activity_date', 30) }}), 0) as logins_30d,
        coalesce(sum(logins) filter (where {{ in_last_days('activity_date', 90) }}), 0) as logins_90d
    from {{ ref('user_daily_activity') }}
    group by user_id

),

completed as (

    select
        users.user_id,
        visits.last_activity_ts,
        visits.last_login_ts,
        {{ days_between('visits.last_activity_date', as_of_date()) }} as days_since_activity,
        coalesce(visits.active_days, 0) as active_days,
        coalesce(visits.active_days_7d, 0) as active_days_7d,
        coalesce(visits.active_days_30d, 0) as active_days_30d,
        coalesce(visits.active_days_90d, 0) as active_days_90d,
        coalesce(visits.active_days_previous_30d, 0) as active_days_previous_30d,
        coalesce(visits.sessions_30d, 0) as sessions_30d,
        coalesce(visits.page_views_30d, 0) as page_views_30d,
        coalesce(visits.logins_30d, 0) as logins_30d,
        coalesce(visits.logins_90d, 0) as logins_90d,
        -- How often somebody comes is counted over the days since they signed up where these are fewer than the
        -- window has; over a week at least, so that two logins on the first day do not make fourteen a week.
        greatest(7, least(30, {{ days_between('users.signup_date', as_of_date()) }})) as known_days_30d,
        greatest(7, least(90, {{ days_between('users.signup_date', as_of_date()) }})) as known_days_90d
    from {{ ref('stg_users') }} as users
    left join visits
        on visits.user_id = users.user_id

)

select
    user_id,
    last_activity_ts,
    last_login_ts,
    days_since_activity,
    active_days,
    active_days_7d,
    active_days_30d,
    active_days_90d,
    active_days_previous_30d,
    sessions_30d,
    page_views_30d,
    logins_30d,
    logins_90d,
    {{ ratio('logins_90d * 7', 'known_days_90d') }} as logins_a_week,
    case
        when days_since_activity is null then 'never'
        when days_since_activity > 90 then 'gone'
        -- two days in three; four days in thirty
        when active_days_30d * 3 >= known_days_30d * 2 then 'daily'
        when active_days_30d * 30 >= known_days_30d * 4 then 'weekly'
        when days_since_activity <= 30 then 'monthly'
        else 'rare'
    end as visit_frequency
from completed
