-- What each user watches of each type of content, since the beginning.
--
-- A type is what the catalogue says today. When it corrects the type of a content, the plays move to another row,
-- also those of years ago; so all plays are counted each time, the merge writes the rows that differ, and a row
-- without plays goes (`on_missing`, in project.yml).
select
    user_id,
    content_type,
    -- two plays of one second are told apart by their number, so that a rebuild names the same content
    first_value(content_id order by event_ts, event_id) as first_content_id,
    first_value(title order by event_ts, event_id) as first_content_title,
    min(event_ts) as first_play_ts,
    first_value(content_id order by event_ts desc, event_id desc) as last_content_id,
    first_value(title order by event_ts desc, event_id desc) as last_content_title,
    max(event_ts) as last_play_ts,
    count(*) as plays,
    count(distinct content_id) as distinct_contents,
    sum(watch_seconds) as watch_seconds,
    count(*) filter (where is_complete) as completed_plays,
    {{ ratio('count(*) filter (where is_complete)', 'count(*)') }} as completion_rate
from {{ ref('stg_plays') }}
group by
    user_id,
    content_type
