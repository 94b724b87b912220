select cast(premium as date) as day from {{ source('raw', 'users') }}
