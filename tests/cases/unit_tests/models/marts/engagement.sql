{{ config(materialized='table', primary_key='user_id') }}
with watched as (
    select
        user_id,
        sum({{ hours('seconds') }}) as hours,
        max(day) as last_day,
        sum(paid) as paid,
        count(*) filter (where array_length(tags) > 2) as tagged
    from {{ ref('stg_views') }}
    where day <= {{ as_of().date() }}
    group by user_id
)
select
    user_id,
    hours,
    last_day,
    paid,
    tagged,
    last_day > {{ as_of().date() }} - interval '{{ var('recent_days', 30) }} days' as is_recent,
    coalesce((select max_by_hours.level from (
        select level, row_number() over (order by from_hours desc) as n
        from {{ ref('levels') }}
        where from_hours = 0
    ) as max_by_hours where n = 1), 'none') as lowest_level,
    case when hours >= {{ var('heavy_from') }} then 'heavy' else 'light' end as level,
    '{{ env_var('SHOP_REGION', 'nowhere') }}' as region
from watched
