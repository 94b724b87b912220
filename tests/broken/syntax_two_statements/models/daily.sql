select user_id from {{ source('raw', 'users') }};
select 1 as one
