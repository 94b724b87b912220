select contry from {{ source('raw', 'users') }}
