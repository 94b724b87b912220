-- Every Olympic play that user_olympics_interest counts was a play of a sport content, in its own sport,
-- and none happened before the Games began.
select
    plays.event_id,
    plays.content_id,
    plays.category,
    plays.sport,
    plays.event_ts
from {{ ref('stg_plays') }} as plays
left join {{ ref('user_olympics_interest') }} as interest
    on interest.user_id = plays.user_id
    and interest.sport = plays.sport
where plays.competition = '{{ var("olympics") }}'
    and (
        plays.category <> 'sport'
        or plays.sport is null
        or plays.event_date < date '{{ var("olympics_start") }}'
        or interest.user_id is null
    )
