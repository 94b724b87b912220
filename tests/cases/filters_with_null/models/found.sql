{% set conditions = [
  "k between null and 5", "k not in (7, null)", "k > 0 and null", "k > 0 and nullif(1, 1) = 1",
  "part = part", "part in ('a', null)", "(part = 'a') is null", "part <> 'a' or null",
  "part between null and 'b'", "x > 5", "not (x <= 5)", "x = 'NaN'",
] -%}
{% for condition in conditions %}
{{ "union all" if not loop.first }}
select {{ loop.index }} as number, '{{ condition | replace("'", "''") }}' as condition,
       (select string_agg(cast(k as varchar), ' ' order by k) from {{ ref('by_part') }} where {{ condition }}) as found
{% endfor %}
order by number
