select 0 as x
{%- for i in range(2000) %}
union all select {{ i }} as x
{%- endfor %}
