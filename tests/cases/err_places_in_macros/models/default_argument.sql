select {{ share('plays') }} as share
from {{ ref('users') }}
