select *
from {{ ref('usres') }}
