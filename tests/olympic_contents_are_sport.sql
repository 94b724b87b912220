{{ config(severity='warn') }}

-- Contents of the Games are of the category sport, and none is published before the Games begin. The catalogue is
-- corrected after the fact, so this warns and stops nothing.
select
    content_id,
    title,
    category,
    sport,
    published_at
from {{ ref('stg_contents') }}
where competition = '{{ var("olympics") }}'
    and (
        category <> 'sport'
        or {{ local_date('published_at') }} < date '{{ var("olympics_start") }}'
    )
