select user_id, sum(max(seconds)) as total from {{ source('raw', 'plays') }} group by user_id
