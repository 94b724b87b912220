select user_id
from {{ source('raw', 'users') }}
where born < as_of
