select user_id, seconds / 60 as minutes from {{ source('raw', 'plays') }}
where minutes > 3
