{% macro hours(column) %}{{ column }} / 3600.0{% endmacro %}
