select (user_id)) as user_id from {{ source('raw', 'users') }}
