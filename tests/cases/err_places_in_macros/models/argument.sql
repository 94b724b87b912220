select
  {{ twice('playz') }} as share
from {{ ref('users') }}
