{% macro share(column) %}
  {{ column }} / {{ whole(column) }}
{% endmacro %}

{% macro whole(column) %}
  sum({{ column }}) over (partition by regio)
{% endmacro %}
