-- The wide table that the CRM receives: one row a known user, the indicators of every theme side by side.
with consumption as (

    select
        user_id,
        sum(plays) as plays,
        sum(watch_seconds) as watch_seconds,
        sum(completed_plays) as completed_plays,
        min(first_play_ts) as first_play_ts,
        first_value(first_content_id order by first_play_ts, content_type) as first_content_id,
        first_value(first_content_title order by first_play_ts, content_type) as first_content_title,
        max(last_play_ts) as last_play_ts,
        first_value(last_content_id order by last_play_ts desc, content_type) as last_content_id,
        first_value(last_content_title order by last_play_ts desc, content_type) as last_content_title
    from {{ ref('user_video_consumption') }}
    group by user_id

),

devices as (

    select
        user_id,
        max(case when device_rank = 1 then device end) as main_device,
        count(*) filter (where device <> 'unknown') as devices
    from {{ ref('user_devices') }}
    group by user_id

),

newsletters as (

    select
        user_id,
        count(*) filter (where status = 'subscribed') as newsletters,
        bool_or(newsletter = 'weekly_programmes' and status = 'subscribed') as receives_weekly_programmes
    from {{ ref('user_newsletters') }}
    group by user_id

),

olympics as (

    select
        user_id,
        max(case when sport_rank = 1 and sport <> 'none' then sport_name end) as olympic_top_sport,
        count(*) filter (where sport <> 'none') as olympic_sports,
        sum(watch_seconds) as olympic_watch_seconds
    from {{ ref('user_olympics_interest') }}
    group by user_id

)

select
    profile.user_id,
    profile.region_name,
    profile.age_band,
    profile.signup_source,
    profile.signup_date,
    profile.seniority_band,
    profile.is_olympic_signup,
    profile.has_marketing_consent,

    navigation.last_activity_ts,
    navigation.last_login_ts,
    navigation.active_days_7d,
    navigation.active_days_30d,
    navigation.active_days_90d,
    navigation.visit_frequency,
    navigation.logins_a_week,

    coalesce(consumption.plays, 0) as plays,
    coalesce(consumption.watch_seconds, 0) as watch_seconds,
    {{ ratio('consumption.completed_plays', 'consumption.plays') }} as completion_rate,
    consumption.first_play_ts,
    consumption.first_content_id,
    consumption.first_content_title,
    consumption.last_play_ts,
    consumption.last_content_id,
    consumption.last_content_title,
    top_categories.top_category_1,
    top_categories.top_category_2,
    top_categories.top_sub_category_1,
    live_replay.viewing_habit,
    live_replay.live_share,

    engagement.engagement_level,
    engagement.watch_trend,
    engagement.minutes_an_active_day_30d,
    engagement.prime_time_share_90d,

    devices.main_device,
    coalesce(devices.devices, 0) as devices,

    coalesce(searches.searches, 0) as searches,
    searches.top_query,

    coalesce(newsletters.newsletters, 0) as newsletters,
    coalesce(newsletters.receives_weekly_programmes, false) as receives_weekly_programmes,

    rfa.segment,
    rfa.recency_score,
    rfa.frequency_score,
    rfa.seniority_score,
    churn.risk_score,
    churn.risk_level,
    churn.is_priority,

    olympics.olympic_top_sport,
    coalesce(olympics.olympic_sports, 0) as olympic_sports,
    coalesce(olympics.olympic_watch_seconds, 0) as olympic_watch_seconds
from {{ ref('user_profile') }} as profile
inner join {{ ref('user_navigation') }} as navigation
    on navigation.user_id = profile.user_id
inner join {{ ref('user_engagement') }} as engagement
    on engagement.user_id = profile.user_id
inner join {{ ref('user_churn_risk') }} as churn
    on churn.user_id = profile.user_id
left join consumption
    on consumption.user_id = profile.user_id
left join {{ ref('user_top_categories') }} as top_categories
    on top_categories.user_id = profile.user_id
left join {{ ref('user_live_replay') }} as live_replay
    on live_replay.user_id = profile.user_id
left join devices
    on devices.user_id = profile.user_id
left join {{ ref('user_searches') }} as searches
    on searches.user_id = profile.user_id
left join newsletters
    on newsletters.user_id = profile.user_id
-- those who signed up this month have no segment yet
left join {{ ref('user_rfa') }} as rfa
    on rfa.user_id = profile.user_id
left join olympics
    on olympics.user_id = profile.user_id
