select user_id,
    case when country = 'FR' 1 else 0 end as french
from {{ source('raw', 'users') }}
