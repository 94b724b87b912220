select country, count(*) as users from {{ source('raw', 'users') }} group by country, count(*)
