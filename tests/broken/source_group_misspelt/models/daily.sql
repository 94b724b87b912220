select user_id from {{ source('row', 'users') }}
