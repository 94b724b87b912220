select country, sum(born) as total from {{ source('raw', 'users') }} group by country
