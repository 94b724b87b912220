select * from {{ source('raw', 'lines') }}
