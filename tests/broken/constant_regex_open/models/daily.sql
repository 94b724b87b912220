select user_id
from {{ source('raw', 'users') }}
where regexp_like(country, '[a-z')
