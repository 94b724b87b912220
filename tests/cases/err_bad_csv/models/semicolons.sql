select * from {{ source('raw', 'semicolons') }}
