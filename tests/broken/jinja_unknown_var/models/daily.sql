select user_id from {{ source('raw', 'users') }} where country = '{{ var('home_contry') }}'
