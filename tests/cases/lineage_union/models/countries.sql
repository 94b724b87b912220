select country from {{ source('raw', 'users') }}
union
select kind from {{ source('raw', 'plays') }}
