select user_id,
    user_id % 0 as rest
from {{ source('raw', 'users') }}
