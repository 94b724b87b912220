select usr_id from {{ source('raw', 'users') }}
