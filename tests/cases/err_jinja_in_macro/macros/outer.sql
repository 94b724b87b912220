{% macro outer(column) %}
  {{ inner(column) }}
{% endmacro %}
