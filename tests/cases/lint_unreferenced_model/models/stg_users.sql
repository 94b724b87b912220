select distinct user_id from {{ source('raw', 'plays') }}
