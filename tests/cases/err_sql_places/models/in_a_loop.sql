select
{%- for column in ['plays', 'searches'] %}
  sum({{ column }}) as {{ column }}{{ ',' if not loop.last }}
{%- endfor %}
from {{ ref('users') }}
