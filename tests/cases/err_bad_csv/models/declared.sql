select * from {{ source('raw', 'declared') }}
