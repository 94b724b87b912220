select
    {% for country in countries() -%}
    count(*) filter (where country = '{{ country }}') as {{ country | lower }}{{ "," if not loop.last }}
    {% endfor %}
from {{ ref('users') }}
