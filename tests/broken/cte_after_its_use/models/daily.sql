with a as (select user_id from b), b as (select user_id from {{ source('raw', 'users') }})
select user_id from a
