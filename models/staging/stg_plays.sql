-- Plays of known users, with what was played. A play of a content that the catalogue does not have yet counts as
-- a play of unknown type and category, until the content is delivered.
select
    events.event_id,
    events.user_id,
    events.session_id,
    events.event_ts,
    events.event_date,
    events.device,
    events.content_id,
    contents.title,
    coalesce(contents.content_type, 'unknown') as content_type,
    coalesce(contents.category, 'unknown') as category,
    coalesce(contents.sub_category, 'unknown') as sub_category,
    contents.sport,
    contents.competition,
    -- a few players do not measure: such a play counts as a play, with no time
    coalesce(events.watch_seconds, 0) as watch_seconds,
    coalesce(
        events.watch_seconds * 100 >= contents.duration_seconds * {{ var('completion_percent') }},
        false
    ) as is_complete,
    events.loaded_at
from {{ ref('stg_video_events') }} as events
left join {{ ref('stg_contents') }} as contents
    on contents.content_id = events.content_id
where {{ is_known_user('events.user_id') }}
