select * from {{ source('raw', 'file') }}
