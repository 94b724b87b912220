-- The categories of each user, from the one that takes most of their time.
with by_category as (

    select
        user_id,
        category,
        count(*) as plays,
        sum(watch_seconds) as watch_seconds,
        max(event_ts) as last_play_ts
    from {{ ref('stg_plays') }}
    group by
        user_id,
        category

)

select
    user_id,
    category,
    cast(row_number() over (
        partition by user_id
        -- a category that the catalogue does not say is nobody's favourite
        order by category = 'unknown', watch_seconds desc, plays desc, category
    ) as bigint) as category_rank,
    plays,
    watch_seconds,
    {{ ratio('watch_seconds', 'sum(watch_seconds) over (partition by user_id)') }} as watch_share,
    last_play_ts
from by_category
