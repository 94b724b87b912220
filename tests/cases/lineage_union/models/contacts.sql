select user_id, name, 'user' as origin from {{ source('raw', 'users') }}
union all
select invited_by, upper(name), 'guest' from {{ source('raw', 'users') }} where invited_by is not null
