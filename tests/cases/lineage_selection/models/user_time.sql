select user_id, sum(minutes) as minutes from {{ ref('stg_plays') }} group by 1
