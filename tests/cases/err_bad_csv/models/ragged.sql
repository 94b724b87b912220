select * from {{ source('raw', 'ragged') }}
