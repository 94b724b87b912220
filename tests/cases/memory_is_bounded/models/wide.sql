-- Ten joins on the key, as the table that the CRM receives.
select a.id{% for i in range(10) %}, t{{ i }}.text as text_{{ i }}{% endfor %}
from {{ ref('grouped') }} as a
{% for i in range(10) -%}
left join (select * from {{ ref('grouped') }} where id < 1000) as t{{ i }} on t{{ i }}.id = a.id
{% endfor -%}
where a.id < 1000
