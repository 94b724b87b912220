select user_id,
    extract(dwo from born) as day
from {{ source('raw', 'users') }}
