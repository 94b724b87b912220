select user_id from {{ source('raw', 'users') }}
order by signedup_at limit 3
