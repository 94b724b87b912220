select coalesce(born, premium) as what from {{ source('raw', 'users') }}
