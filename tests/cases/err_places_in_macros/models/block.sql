{% call only('plays > 0') %}
  select user_id, nme
  from {{ ref('users') }}
{% endcall %}
