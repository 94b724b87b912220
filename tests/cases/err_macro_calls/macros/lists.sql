{% macro regions() %}
  ['north', 'south']
{% endmacro %}

{% macro how_many() %}3{% endmacro %}

{% macro settings() %}{'unit': 'day'}{% endmacro %}

{% macro each_region(column) %}
  {%- for region in regions() %}
  sum({{ column }}) filter (where region = '{{ region }}') as {{ region }}{{ ',' if not loop.last }}
  {%- endfor %}
{% endmacro %}
