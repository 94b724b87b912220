select {{ part_of('plays +') }} as share
from {{ ref('users') }}
