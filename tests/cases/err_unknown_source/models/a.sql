select * from {{ source('raw', 'event') }}
