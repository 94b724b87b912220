select country, sum(name) as total from {{ source('raw', 'users') }} group by country
