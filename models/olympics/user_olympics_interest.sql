-- What each user watched of the Olympic Games, sport by sport.
with plays as (

    select *
    from {{ ref('stg_plays') }}
    where competition = '{{ var("olympics") }}'
    {% if is_incremental() %}
        -- only plays of the Games call for another count: once they are over, nothing is left to do
        and user_id in (
            select user_id
            from {{ ref('stg_plays') }}
            where competition = '{{ var("olympics") }}'
                and loaded_at > {{ last_load(this) }}
        )
    {% endif %}

),

by_sport as (

    select
        user_id,
        sport,
        count(*) as plays,
        count(*) filter (where content_type = 'live') as live_plays,
        count(distinct event_date) as active_days,
        sum(watch_seconds) as watch_seconds,
        min(event_ts) as first_play_ts,
        max(event_ts) as last_play_ts,
        max(loaded_at) as last_loaded_at
    from plays
    group by
        user_id,
        sport

)

select
    by_sport.user_id,
    by_sport.sport,
    sports.sport_name,
    sports.family,
    cast(row_number() over (
        partition by by_sport.user_id
        order by by_sport.watch_seconds desc, by_sport.plays desc, by_sport.sport
    ) as bigint) as sport_rank,
    by_sport.plays,
    by_sport.live_plays,
    by_sport.active_days,
    by_sport.watch_seconds,
    case
        when by_sport.active_days >= 5 and by_sport.watch_seconds >= 3 * 3600 then 'fan'
        when by_sport.watch_seconds >= 3600 then 'follower'
        else 'curious'
    end as interest,
    by_sport.first_play_ts,
    by_sport.last_play_ts,
    by_sport.last_loaded_at
from by_sport
inner join {{ ref('sports') }} as sports
    on sports.sport = by_sport.sport
