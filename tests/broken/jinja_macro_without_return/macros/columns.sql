{% macro columns() %}
{% set names = ['play_id', 'user_id'] %}
{% endmacro %}
