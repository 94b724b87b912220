{% macro settings_of(name) %}
{{ config(severity='warn', where='id > 2', limit=1, error_if='>1', warn_if='>0', store_failures=true) }}
{% endmacro %}

{% test no_rows(model) %}
{{ settings_of('no_rows') }}
select * from {{ model }}
{% endtest %}

{% test settings_then_a_mistake(model) %}
{{ config(severity='warn') }}
{% if not execute %}{{ exceptions.raise_compiler_error('no tables yet') }}{% endif %}
select * from {{ model }}
{% endtest %}
