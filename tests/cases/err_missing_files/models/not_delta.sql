select * from {{ source('raw', 'not_delta') }}
