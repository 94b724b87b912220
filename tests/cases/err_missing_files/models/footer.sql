select * from {{ source('raw', 'footer') }}
