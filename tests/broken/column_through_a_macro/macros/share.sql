{% macro share(column) %}
{{ column }} * 1.0 / sum({{ column }}) over ()
{% endmacro %}
