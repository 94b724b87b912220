{% macro minutes() %}
secnds / 60.0
{% endmacro %}
