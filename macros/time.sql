{# The day of the run: as_of() as a date. #}
{% macro as_of_date() -%}
cast({{ as_of() }} as date)
{%- endmacro %}

{# The instant that many days before the run: where a window of so many days begins. #}
{% macro days_ago(days) -%}
{{ as_of() }} - interval '{{ days }}' day
{%- endmacro %}

{# The first instant of the run's month: what a monthly table is computed for. #}
{% macro month_start() -%}
date_trunc('month', {{ as_of() }})
{%- endmacro %}

{# Whole days from one instant or date to another. #}
{% macro days_between(first, last) -%}
cast(cast({{ last }} as date) - cast({{ first }} as date) as bigint)
{%- endmacro %}
