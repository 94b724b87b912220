-- The latest version of each content: durations, categories and types are corrected after the fact.
with versions as (

    select
        *,
        row_number() over (
            partition by content_id
            order by
                loaded_at desc, published_at desc, duration_seconds desc, title,
                content_type, category, sub_category, sport, competition
        ) as version
    from {{ source('raw', 'contents') }}
    where content_id is not null
        -- a content may be in the catalogue before it is published
        and loaded_at < {{ as_of() }}

)

select
    content_id,
    title,
    coalesce(content_type, 'unknown') as content_type,
    coalesce(category, 'unknown') as category,
    coalesce(sub_category, 'unknown') as sub_category,
    cast(duration_seconds as bigint) as duration_seconds,
    sport,
    competition,
    published_at,
    loaded_at
from versions
where version = 1
