select user_id, favourite_colour from {{ source('raw', 'users') }}
