select * from {{ source('raw', 'not_there') }}
