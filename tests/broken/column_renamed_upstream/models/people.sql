select user_id, country as country_code from {{ source('raw', 'users') }}
