select user_id + country as sum from {{ source('raw', 'users') }}
