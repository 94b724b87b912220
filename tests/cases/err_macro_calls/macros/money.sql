{% macro cents(column, digits=2) %}round({{ column }} * 100, {{ digits }}){% endmacro %}

{% macro total(column) %}
  sum({{ cents(column, scale=3) }})
{% endmacro %}
