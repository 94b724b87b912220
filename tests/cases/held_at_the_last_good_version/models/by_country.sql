select country, count(*) as users from {{ ref('profile') }} group by 1
