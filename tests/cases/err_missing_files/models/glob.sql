select * from {{ source('raw', 'glob') }}
