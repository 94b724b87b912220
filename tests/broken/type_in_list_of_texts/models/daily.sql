select user_id from {{ source('raw', 'users') }} where born in ('yesterday', 1)
