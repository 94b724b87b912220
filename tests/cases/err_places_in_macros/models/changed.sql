select {{ clean(' nme ') }} as name
from {{ ref('users') }}
