select user_id, avg(seconds) as seconds from {{ ref('last_play') }} group by 1
