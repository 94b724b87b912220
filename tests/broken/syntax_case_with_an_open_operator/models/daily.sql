select user_id,
    case when user_id > 0 then 1
         when country = then 2
         else 0 end as level
from {{ source('raw', 'users') }}
