{% macro outer_macro() %}
round({{ inner_macro() }}, 2)
{% endmacro %}
