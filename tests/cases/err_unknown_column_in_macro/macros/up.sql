{% macro up(column) %}upper({{ column }}){% endmacro %}
