select user_id,
    1 / 0 as share
from {{ source('raw', 'users') }}
