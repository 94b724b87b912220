select * from {{ source('raw', 'empty') }}
