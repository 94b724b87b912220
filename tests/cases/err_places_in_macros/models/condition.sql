{% call only(condition='playz > 0') -%}
  select user_id, name
  from {{ ref('users') }}
{%- endcall %}
