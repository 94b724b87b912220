select safe_divide(user_id, 2) as half, countif(country = 'FR') as french
from {{ source('raw', 'users') }}
