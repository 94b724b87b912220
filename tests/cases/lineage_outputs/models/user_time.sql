select user_id, sum(seconds) as seconds from {{ ref('stg_plays') }} where kind <> 'ad' group by 1
