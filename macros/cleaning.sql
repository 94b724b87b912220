{# What may be counted: rows that were loaded when the run computes for, from clocks that can be believed.
   No event happens after it was loaded, so every row that passes happened before as_of() too. #}
{% macro is_visible(happened_at='event_ts') -%}
loaded_at < {{ as_of() }}
    and {{ happened_at }} <= loaded_at
{%- endmacro %}

{# One spelling for each device. #}
{% macro clean_device(device) -%}
coalesce(lower(trim({{ device }})), 'unknown')
{%- endmacro %}
