{# What may be counted: rows that were loaded when the run computes for, from clocks that can be believed.
   No event happens after it was loaded, so every row that passes happened before as_of() too. #}
{% macro is_visible() -%}
loaded_at < {{ as_of() }}
    and event_ts <= loaded_at
{%- endmacro %}

{# Whether a row belongs to a user of the users feed. The events of a user whose sign-up is delivered later wait
   in staging until it is there. #}
{% macro is_known_user(user_id='user_id') -%}
{{ user_id }} in (select user_id from {{ ref('stg_users') }})
{%- endmacro %}

{# One spelling for each device (variable `devices`); what is none of them is unknown. #}
{% macro clean_device(device) -%}
case
        when lower(trim({{ device }})) in ('{{ var("devices") | join("', '") }}') then lower(trim({{ device }}))
        else 'unknown'
    end
{%- endmacro %}
