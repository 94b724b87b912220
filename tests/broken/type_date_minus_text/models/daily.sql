select born - country as age from {{ source('raw', 'users') }}
