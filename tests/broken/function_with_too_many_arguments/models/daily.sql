select user_id, upper(country, name) as country from {{ source('raw', 'users') }}
