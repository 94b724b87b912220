-- How intensely each known user watches, and whether it grows: the last 30 days against the 30 before.
with days as (

    select
        user_id,
        count(*) filter (where activity_date >= {{ days_ago(30) }}) as active_days_30d,
        sum(plays) filter (where activity_date >= {{ days_ago(30) }}) as plays_30d,
        sum(watch_seconds) filter (where activity_date >= {{ days_ago(30) }}) as watch_seconds_30d,
        sum(watch_seconds) filter (where activity_date < {{ days_ago(30) }}) as watch_seconds_previous_30d
    from {{ ref('user_daily_activity') }}
    where activity_date >= {{ days_ago(60) }}
    group by user_id

),

plays as (

    select
        user_id,
        count(*) as plays_90d,
        count(distinct content_id) as distinct_contents_90d,
        count(*) filter (where is_complete) as completed_plays_90d,
        count(*) filter (
            where extract(hour from event_ts) >= {{ var('prime_time_start') }}
                and extract(hour from event_ts) < {{ var('prime_time_end') }}
        ) as prime_time_plays_90d,
        -- 0 is Sunday, 6 is Saturday
        count(*) filter (where extract(dow from event_ts) in (0, 6)) as weekend_plays_90d
    from {{ ref('stg_plays') }}
    where event_ts >= {{ days_ago(90) }}
    group by user_id

),

completed as (

    select
        users.user_id,
        coalesce(days.active_days_30d, 0) as active_days_30d,
        coalesce(days.plays_30d, 0) as plays_30d,
        coalesce(days.watch_seconds_30d, 0) as watch_seconds_30d,
        coalesce(days.watch_seconds_previous_30d, 0) as watch_seconds_previous_30d,
        coalesce(plays.plays_90d, 0) as plays_90d,
        coalesce(plays.distinct_contents_90d, 0) as distinct_contents_90d,
        plays.completed_plays_90d,
        plays.prime_time_plays_90d,
        plays.weekend_plays_90d
    from {{ ref('stg_users') }} as users
    left join days
        on days.user_id = users.user_id
    left join plays
        on plays.user_id = users.user_id

)

select
    user_id,
    plays_30d,
    watch_seconds_30d,
    watch_seconds_previous_30d,
    {{ ratio('watch_seconds_30d', 'active_days_30d * 60') }} as minutes_an_active_day_30d,
    plays_90d,
    distinct_contents_90d,
    {{ ratio('completed_plays_90d', 'plays_90d') }} as completion_rate_90d,
    {{ ratio('prime_time_plays_90d', 'plays_90d') }} as prime_time_share_90d,
    {{ ratio('weekend_plays_90d', 'plays_90d') }} as weekend_share_90d,
    case
        when watch_seconds_30d = 0 and watch_seconds_previous_30d = 0 then 'none'
        when watch_seconds_previous_30d = 0 then 'new'
        when watch_seconds_30d * 10 >= watch_seconds_previous_30d * 12 then 'rising'
        when watch_seconds_30d * 10 <= watch_seconds_previous_30d * 8 then 'falling'
        else 'steady'
    end as watch_trend,
    case
        when watch_seconds_30d >= 20 * 3600 then 'heavy'
        when watch_seconds_30d >= 5 * 3600 then 'regular'
        when watch_seconds_30d > 0 then 'light'
        else 'none'
    end as engagement_level
from completed
