select play_id
from {{ source('raw', 'plays') }}
where user_id not in (select user_id from {{ source('raw', 'users') }} where country = 'FR')
