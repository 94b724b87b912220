select user_id, {{ minutes() }} as minutes from {{ source('raw', 'plays') }}
