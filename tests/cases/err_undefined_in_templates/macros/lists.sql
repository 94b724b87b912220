{% macro settings() %}{'unit': 'day'}{% endmacro %}

{% macro listed(columns) %}
  {%- for column in colums -%}{{ column }}{%- endfor -%}
{% endmacro %}
