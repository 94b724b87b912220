{% macro inner(column) %}
  {{ exceptions.raise_compiler_error('no column ' ~ column) }}
{% endmacro %}
