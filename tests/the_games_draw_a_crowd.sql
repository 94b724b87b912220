{{ config(severity='warn') }}

-- A day of the Games has more viewers than a day of the two weeks before. It says that the data is plausible,
-- not that it is right: so it warns, and stops nothing. Before the Games are over there is nothing to compare.
with days as (

    select
        activity_date,
        count(*) as users
    from {{ ref('user_daily_activity') }}
    group by activity_date

),

compared as (

    select
        avg(users) filter (
            where activity_date between date '{{ var("olympics_start") }}' and date '{{ var("olympics_end") }}'
        ) as during,
        avg(users) filter (
            where activity_date < date '{{ var("olympics_start") }}'
                and activity_date >= date '{{ var("olympics_start") }}' - interval '14' day
        ) as before
    from days

)

select
    during,
    before
from compared
where {{ as_of_date() }} > date '{{ var("olympics_end") }}'
    and during <= before
