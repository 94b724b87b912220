select user_id from {{ source('files', 'visits') }}
