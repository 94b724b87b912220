select user_id from {{ source('raw', 'users') }}
where user_id in (select usr_id from {{ source('raw', 'plays') }})
