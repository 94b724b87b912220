select user_id, date_trunc(started_at) as day from {{ source('raw', 'plays') }}
