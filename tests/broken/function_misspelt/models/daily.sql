select user_id, uper(country) as country from {{ source('raw', 'users') }}
