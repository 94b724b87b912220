{% macro only(condition) %}
select *
from ({{ caller() }})
where {{ condition }}
{% endmacro %}

{% macro columns_of() %}{{ return(['user_id', 'nme']) }}{% endmacro %}

{% macro case_of(column, cases) %}
  {%- set lines -%}
    {%- for value in cases %}
    when {{ column }} = {{ value }} then {{ loop.index }}
    {%- endfor %}
  {%- endset -%}
  case {{ lines }} else rank end
{%- endmacro %}

{% macro clean(column) %}{{ column | trim | upper }}{% endmacro %}

{% macro special(column) %}
  {%- if column == 'plays' -%} sum(playz) {%- else -%} max({{ column }}) {%- endif -%}
{% endmacro %}
