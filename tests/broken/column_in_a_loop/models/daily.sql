select user_id,
{% for column in ['seconds', 'prise'] %}
    sum({{ column }}) as {{ column }}{{ ',' if not loop.last }}
{% endfor %}
from {{ source('raw', 'plays') }}
group by user_id
