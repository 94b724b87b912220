select * from {{ source('raw', 'array') }}
