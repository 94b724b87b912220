select user_id, row_number() over (partition by contry order by user_id) as place from {{ source('raw', 'users') }}
