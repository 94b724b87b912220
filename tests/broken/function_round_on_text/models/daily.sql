select user_id, round(country) as country from {{ source('raw', 'users') }}
