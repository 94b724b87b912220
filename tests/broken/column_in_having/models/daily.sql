select country, count(*) as users from {{ source('raw', 'users') }}
group by country
having sum(prmium) > 1
