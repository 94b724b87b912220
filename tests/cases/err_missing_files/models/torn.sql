select * from {{ source('raw', 'torn') }}
