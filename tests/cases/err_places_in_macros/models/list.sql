select
{%- for column in columns_of() %}
  {{ column }}{{ ',' if not loop.last }}
{%- endfor %}
from {{ ref('users') }}
