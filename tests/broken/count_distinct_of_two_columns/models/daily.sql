select count(distinct user_id, country) as pairs
from {{ source('raw', 'users') }}
