-- The categories of each user, from the one that takes most of their time.
with plays as (

    select *
    from {{ ref('stg_plays') }}
    {% if is_incremental() %}
    where user_id in (
        {{ touched_users(ref('stg_plays'), this) }}
    )
    {% endif %}

),

by_category as (

    select
        user_id,
        category,
        count(*) as plays,
        sum(watch_seconds) as watch_seconds,
        max(event_ts) as last_play_ts,
        max(loaded_at) as last_loaded_at
    from plays
    group by
        user_id,
        category

)

select
    user_id,
    category,
    cast(row_number() over (
        partition by user_id
        order by watch_seconds desc, plays desc, category
    ) as bigint) as category_rank,
    plays,
    watch_seconds,
    {{ ratio('watch_seconds', 'sum(watch_seconds) over (partition by user_id)') }} as watch_share,
    last_play_ts,
    last_loaded_at
from by_category
