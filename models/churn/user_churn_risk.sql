-- How likely a user is to stop coming: points for each sign of it, and what they add up to.
with unsubscribed as (

    select
        user_id,
        count(*) as unsubscriptions_30d
    from {{ ref('user_newsletters') }}
    where status = 'unsubscribed'
        and {{ local_date('last_change_ts') }} >= {{ days_ago(30) }}
    group by user_id

),

signs as (

    select
        navigation.user_id,
        navigation.days_since_activity,
        case
            when navigation.days_since_activity <= 7 then 0
            when navigation.days_since_activity <= 30 then 20
            else 40
        end as absence_points,
        case
            when navigation.active_days_30d * 2 < navigation.active_days_previous_30d then 25
            else 0
        end as decline_points,
        case
            when engagement.watch_trend = 'falling' then 15
            else 0
        end as watch_points,
        case
            when navigation.logins_90d = 0 then 10
            else 0
        end as login_points,
        case
            when coalesce(unsubscribed.unsubscriptions_30d, 0) > 0 then 10
            else 0
        end as newsletter_points,
        rfa.segment
    from {{ ref('user_navigation') }} as navigation
    inner join {{ ref('user_engagement') }} as engagement
        on engagement.user_id = navigation.user_id
    left join unsubscribed
        on unsubscribed.user_id = navigation.user_id
    left join {{ ref('user_rfa') }} as rfa
        on rfa.user_id = navigation.user_id

),

scored as (

    select
        *,
        absence_points + decline_points + watch_points + login_points + newsletter_points as risk_score
    from signs

),

levelled as (

    select
        *,
        case
            when days_since_activity is null then 'never active'
            when days_since_activity > 90 then 'lost'
            when risk_score >= 50 then 'high'
            when risk_score >= 25 then 'medium'
            else 'low'
        end as risk_level
    from scored

)

select
    user_id,
    absence_points,
    decline_points,
    watch_points,
    login_points,
    newsletter_points,
    risk_score,
    risk_level,
    -- those whom the month's segmentation counts among the best, and who are leaving: call them first
    risk_level in ('medium', 'high') and coalesce(segment in ('champion', 'loyal'), false) as is_priority
from levelled
