{#- Generic tests. Each gives the rows that fail; `model` and `column_name` are used as given. -#}

{% test unique(model, column_name) %}
select {{ column_name }} as unique_field, count(*) as n_records
from {{ model }}
where {{ column_name }} is not null
group by {{ column_name }}
having count(*) > 1
{% endtest %}

{% test not_null(model, column_name) %}
select *
from {{ model }}
where {{ column_name }} is null
{% endtest %}

{% test accepted_values(model, column_name, values, quote=true) %}
select {{ column_name }} as value_field, count(*) as n_records
from {{ model }}
where {{ column_name }} is not null
    and {{ column_name }} not in (
    {%- for value in values -%}
        {{ dbt.string_literal(dbt.escape_single_quotes(value | string)) if quote else value }}
        {%- if not loop.last %}, {% endif -%}
    {%- endfor -%}
    )
group by {{ column_name }}
{% endtest %}

{% test relationships(model, column_name, to, field) %}
{%- set field = refx__column(to, field) -%}

select child.from_field
from (
    select {{ column_name }} as from_field
    from {{ model }}
    where {{ column_name }} is not null
) as child
left join (
    select distinct {{ field }} as to_field
    from {{ to }}
) as parent on child.from_field = parent.to_field
where parent.to_field is null
{% endtest %}
