-- The latest version of each content: durations are corrected after the fact.
with versions as (

    select
        *,
        row_number() over (
            partition by content_id
            order by loaded_at desc, published_at desc, duration_seconds desc, title
        ) as version
    from {{ source('raw', 'contents') }}
    where {{ is_visible('published_at') }}

)

select
    content_id,
    title,
    content_type,
    category,
    sub_category,
    cast(duration_seconds as bigint) as duration_seconds,
    sport,
    competition,
    published_at,
    loaded_at
from versions
where version = 1
