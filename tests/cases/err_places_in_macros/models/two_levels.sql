select
  user_id,
  {{ twice('plays') }} as share
from {{ ref('users') }}
