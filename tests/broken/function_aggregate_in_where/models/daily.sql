select user_id from {{ source('raw', 'plays') }} where sum(seconds) > 10 group by user_id
