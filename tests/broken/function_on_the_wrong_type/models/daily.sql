select user_id, date_trunc('day', country) as day from {{ source('raw', 'users') }}
