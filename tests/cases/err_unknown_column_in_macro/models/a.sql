select
    user_id,
    {{ up('nmae') }} as name
from {{ ref('users') }}
