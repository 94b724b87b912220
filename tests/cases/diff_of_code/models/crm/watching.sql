select
    user_id,
    sum(seconds) as seconds,
    count(*) as plays
from {{ ref('stg_plays') }}
where kind <> 'trailer'
group by user_id
