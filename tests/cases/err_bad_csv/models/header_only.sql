select * from {{ source('raw', 'header_only') }}
