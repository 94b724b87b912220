select * from {{ source('raw', 'latin') }}
