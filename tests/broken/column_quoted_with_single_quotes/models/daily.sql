select 'user_id' + 1 as next from {{ source('raw', 'users') }}
