select datediff('day', born, born) as days
from {{ source('raw', 'users') }}
