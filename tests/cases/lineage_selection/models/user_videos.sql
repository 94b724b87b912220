select user_id, count(distinct video_id) as videos from {{ ref('stg_plays') }} where kind = 'live' group by 1
