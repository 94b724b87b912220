select play_id from {{ source('raw', 'plays') }}
where not (user_id in (select user_id from {{ ref('tested') }} group by user_id))
