{% macro inner_macro() %}
secnds / 60.0
{% endmacro %}
