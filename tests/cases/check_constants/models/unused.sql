with shares as (select user_id, 1 / 0 as share from {{ source('raw', 'users') }})
select user_id from shares
