select {{ one }} as one
from {{ source('raw', 'users') }}
