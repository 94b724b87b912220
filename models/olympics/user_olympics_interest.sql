-- What each user watched of the Olympic Games, sport by sport.
with by_sport as (

    select
        user_id,
        -- a ceremony is of no sport
        coalesce(sport, 'none') as sport,
        count(*) as plays,
        count(*) filter (where content_type = 'live') as live_plays,
        count(distinct event_date) as active_days,
        sum(watch_seconds) as watch_seconds,
        min(event_ts) as first_play_ts,
        max(event_ts) as last_play_ts
    from {{ ref('stg_plays') }}
    where competition = '{{ var("olympics") }}'
    group by
        user_id,
        coalesce(sport, 'none')

)

select
    by_sport.user_id,
    by_sport.sport,
    -- the seed may learn of a sport later than the catalogue
    coalesce(sports.sport_name, by_sport.sport) as sport_name,
    coalesce(sports.family, 'unknown') as family,
    cast(row_number() over (
        partition by by_sport.user_id
        order by by_sport.sport = 'none', by_sport.watch_seconds desc, by_sport.plays desc, by_sport.sport
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
    by_sport.last_play_ts
from by_sport
left join {{ ref('sports') }} as sports
    on sports.sport = by_sport.sport
