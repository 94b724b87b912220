select user_id,
    date_trunc('mnth', born) as month
from {{ source('raw', 'users') }}
