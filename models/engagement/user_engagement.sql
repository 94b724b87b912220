-- How intensely each known user watches, and whether it grows: the last 30 whole days against the 30 before.
-- All figures count the same plays: those of stg_plays.
with plays as (

    select
        user_id,
        count(*) filter (where {{ in_last_days('event_date', 30) }}) as plays_30d,
        sum(watch_seconds) filter (where {{ in_last_days('event_date', 30) }}) as watch_seconds_30d,
        sum(watch_seconds) filter (where {{ in_last_days('event_date', 30, before=30) }}) as watch_seconds_previous_30d,
        -- whoever watched before these 60 days comes back and is not new
        sum(watch_seconds) filter (where event_date < {{ days_ago(60) }}) as watch_seconds_earlier,
        count(*) filter (where {{ in_last_days('event_date', 90) }}) as plays_90d,
        count(distinct content_id) filter (where {{ in_last_days('event_date', 90) }}) as distinct_contents_90d,
        count(*) filter (where is_complete and {{ in_last_days('event_date', 90) }}) as completed_plays_90d,
        count(*) filter (
            where {{ local_hour('event_ts') }} >= {{ var('prime_time_start') }}
                and {{ local_hour('event_ts') }} < {{ var('prime_time_end') }}
                and {{ in_last_days('event_date', 90) }}
        ) as prime_time_plays_90d,
        -- 0 is Sunday, 6 is Saturday
        count(*) filter (
            where extract(dow from event_date) in (0, 6)
                and {{ in_last_days('event_date', 90) }}
        ) as weekend_plays_90d
    from {{ ref('stg_plays') }}
    group by user_id

),

completed as (

    select
        navigation.user_id,
        navigation.active_days_30d,
        coalesce(plays.plays_30d, 0) as plays_30d,
        coalesce(plays.watch_seconds_30d, 0) as watch_seconds_30d,
        coalesce(plays.watch_seconds_previous_30d, 0) as watch_seconds_previous_30d,
        coalesce(plays.watch_seconds_earlier, 0) as watch_seconds_earlier,
        coalesce(plays.plays_90d, 0) as plays_90d,
        coalesce(plays.distinct_contents_90d, 0) as distinct_contents_90d,
        plays.completed_plays_90d,
        plays.prime_time_plays_90d,
        plays.weekend_plays_90d
    from {{ ref('user_navigation') }} as navigation
    left join plays
        on plays.user_id = navigation.user_id

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
        when watch_seconds_previous_30d = 0 and watch_seconds_earlier = 0 then 'new'
        when watch_seconds_previous_30d = 0 then 'returning'
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
