select id, {{ up('name') }} as name -- the name
from {{ ref('s') }}
