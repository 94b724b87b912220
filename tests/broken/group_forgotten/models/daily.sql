select country, count(*) as users from {{ source('raw', 'users') }}
