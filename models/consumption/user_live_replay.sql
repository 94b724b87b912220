-- How a user watches: as it is broadcast, caught up later, or chosen from the catalogue. The seed content_types
-- says which type is watched in which way; a type that it does not know comes from the catalogue.
with consumption as (

    select
        consumption.user_id,
        coalesce(types.viewing, 'catalogue') as viewing,
        consumption.plays,
        consumption.watch_seconds,
        consumption.last_play_ts
    from {{ ref('user_video_consumption') }} as consumption
    left join {{ ref('content_types') }} as types
        on types.content_type = consumption.content_type

),

by_user as (

    select
        user_id,
        coalesce(sum(plays) filter (where viewing = 'live'), 0) as live_plays,
        coalesce(sum(plays) filter (where viewing = 'replay'), 0) as replay_plays,
        coalesce(sum(plays) filter (where viewing = 'catalogue'), 0) as catalogue_plays,
        coalesce(sum(watch_seconds) filter (where viewing = 'live'), 0) as live_watch_seconds,
        coalesce(sum(watch_seconds) filter (where viewing = 'replay'), 0) as replay_watch_seconds,
        coalesce(sum(watch_seconds) filter (where viewing = 'catalogue'), 0) as catalogue_watch_seconds,
        sum(watch_seconds) as watch_seconds,
        max(last_play_ts) filter (where viewing = 'live') as last_live_ts,
        max(last_play_ts) filter (where viewing = 'replay') as last_replay_ts
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
    last_replay_ts
from by_user
