{% macro share(column) %}
  {{ column }} / {{ whole(column) }}
{% endmacro %}

{% macro whole(column, per='regio') %}
  sum({{ column }}) over (partition by {{ per }})
{% endmacro %}

{% macro part_of(column) %}
  {{ column }} / sum({{ column }}) over (partition by countri)
{% endmacro %}

{% macro twice(column) %}
  {{ part_of(column) }} * 2
{% endmacro %}
