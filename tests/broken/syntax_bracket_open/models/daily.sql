select count(user_id as users from {{ source('raw', 'users') }}
