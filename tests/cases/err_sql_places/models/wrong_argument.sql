select
  user_id,
  date_trunc('month', user_id) as month
from {{ ref('users') }}
