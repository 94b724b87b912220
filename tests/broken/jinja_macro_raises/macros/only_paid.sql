{% macro only_paid(kind) %}
{% if kind == 'free' %}
{{ exceptions.raise_compiler_error('free plays have no price') }}
{% endif %}
{% endmacro %}
