select iff(country = 'FR', 1, 0) as french
from {{ source('raw', 'users') }}
