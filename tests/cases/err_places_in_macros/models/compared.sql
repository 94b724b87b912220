select {{ special('plays') }} as plays
from {{ ref('users') }}
