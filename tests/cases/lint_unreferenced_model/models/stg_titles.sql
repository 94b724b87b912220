select distinct title from {{ source('raw', 'plays') }}
