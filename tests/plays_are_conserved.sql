-- Every staged play of a known user is counted once in the consumption of its content type, and no other is.
with staged as (

    select
        content_type,
        count(*) as plays,
        sum(watch_seconds) as watch_seconds
    from {{ ref('stg_plays') }}
    group by content_type

),

counted as (

    select
        content_type,
        sum(plays) as plays,
        sum(watch_seconds) as watch_seconds
    from {{ ref('user_video_consumption') }}
    group by content_type

)

select
    coalesce(staged.content_type, counted.content_type) as content_type,
    staged.plays as staged_plays,
    counted.plays as counted_plays,
    staged.watch_seconds as staged_watch_seconds,
    counted.watch_seconds as counted_watch_seconds
from staged
full outer join counted
    on counted.content_type = staged.content_type
where (staged.plays is distinct from counted.plays)
    or (staged.watch_seconds is distinct from counted.watch_seconds)
