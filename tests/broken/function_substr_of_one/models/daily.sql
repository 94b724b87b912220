select substr(country) as part
from {{ source('raw', 'users') }}
