select user_id, row_number() as place from {{ source('raw', 'users') }}
