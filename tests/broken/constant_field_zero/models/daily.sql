select user_id,
    split_part(country, '-', 0) as first
from {{ source('raw', 'users') }}
