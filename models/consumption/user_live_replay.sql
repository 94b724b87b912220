-- How a user watches: as it is broadcast, caught up later, or chosen from the catalogue.
with consumption as (

    select *
    from {{ ref('user_video_consumption') }}
    {% if is_incremental() %}
    where user_id in (
        {{ touched_users(ref('user_video_consumption'), this, 'last_loaded_at') }}
    )
    {% endif %}

),

by_user as (

    select
        user_id,
        coalesce(sum(plays) filter (where content_type = 'live'), 0) as live_plays,
        coalesce(sum(plays) filter (where content_type = 'replay'), 0) as replay_plays,
        coalesce(sum(plays) filter (where content_type not in ('live', 'replay')), 0) as catalogue_plays,
        coalesce(sum(watch_seconds) filter (where content_type = 'live'), 0) as live_watch_seconds,
        coalesce(sum(watch_seconds) filter (where content_type = 'replay'), 0) as replay_watch_seconds,
        coalesce(sum(watch_seconds) filter (where content_type not in ('live', 'replay')), 0)
            as catalogue_watch_seconds,
        sum(watch_seconds) as watch_seconds,
        max(last_play_ts) filter (where content_type = 'live') as last_live_ts,
        max(last_play_ts) filter (where content_type = 'replay') as last_replay_ts,
        max(last_loaded_at) as last_loaded_at
    from consumption
    group by user_id

)

select
    user_id,
    live_plays,
    replay_plays,
    catalogue_plays,
    live_watch_seconds,
    replay_watch_seconds,
    catalogue_watch_seconds,
    {{ ratio('live_watch_seconds', 'watch_seconds') }} as live_share,
    {{ ratio('replay_watch_seconds', 'watch_seconds') }} as replay_share,
    case
        when live_watch_seconds * 2 > watch_seconds then 'live'
        when replay_watch_seconds * 2 > watch_seconds then 'replay'
        when catalogue_watch_seconds * 2 > watch_seconds then 'catalogue'
        else 'mixed'
    end as viewing_habit,
    last_live_ts,
    last_replay_ts,
    last_loaded_at
from by_user
