select user_id from {{ source('raw', 'users') }} where row_number() over (order by user_id) = 1
