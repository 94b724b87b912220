-- Plays of known users, with what was played. A row counts as loaded when the later of its two halves was:
-- a corrected content brings back the users who watched it.
with contents as (

    -- The two load times get names of their own. DataFusion 55 finds the columns of a filter that it moves below
    -- a join by name, and would compare one load time with itself (apache/datafusion#25259).
    select
        *,
        loaded_at as content_loaded_at
    from {{ ref('stg_contents') }}

)

select
    events.event_id,
    events.user_id,
    events.session_id,
    events.event_ts,
    events.event_date,
    events.device,
    events.content_id,
    contents.title,
    contents.content_type,
    contents.category,
    contents.sub_category,
    contents.sport,
    contents.competition,
    -- a few players do not measure: such a play counts as a play, with no time
    coalesce(events.watch_seconds, 0) as watch_seconds,
    coalesce(
        events.watch_seconds * 100 >= contents.duration_seconds * {{ var('completion_percent') }},
        false
    ) as is_complete,
    greatest(events.loaded_at, contents.content_loaded_at) as loaded_at
from {{ ref('stg_video_events') }} as events
inner join contents
    on contents.content_id = events.content_id
where events.user_id is not null
