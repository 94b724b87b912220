-- Every staged act of a known user is counted once on its day, feed by feed, and no other is. A feed of which
-- rows were lost on the way shows here.
with staged as (

    select
        event_date,
        count(*) filter (where activity = 'play') as plays,
        count(*) filter (where activity = 'page_view') as page_views,
        count(*) filter (where activity = 'search') as searches,
        count(*) filter (where activity = 'login') as logins,
        sum(watch_seconds) as watch_seconds
    from {{ ref('stg_activity') }}
    group by event_date

),

counted as (

    select
        activity_date,
        sum(plays) as plays,
        sum(page_views) as page_views,
        sum(searches) as searches,
        sum(logins) as logins,
        sum(watch_seconds) as watch_seconds
    from {{ ref('user_daily_activity') }}
    group by activity_date

)

select
    coalesce(staged.event_date, counted.activity_date) as activity_date,
    staged.plays as staged_plays,
    counted.plays as counted_plays,
    staged.page_views as staged_page_views,
    counted.page_views as counted_page_views,
    staged.searches as staged_searches,
    counted.searches as counted_searches,
    staged.logins as staged_logins,
    counted.logins as counted_logins
from staged
full outer join counted
    on counted.activity_date = staged.event_date
where (staged.plays is distinct from counted.plays)
    or (staged.page_views is distinct from counted.page_views)
    or (staged.searches is distinct from counted.searches)
    or (staged.logins is distinct from counted.logins)
    or (staged.watch_seconds is distinct from counted.watch_seconds)
