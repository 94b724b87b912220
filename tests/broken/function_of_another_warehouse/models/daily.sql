select user_id, ifnul(country, 'none') as country from {{ source('raw', 'users') }}
