{% macro known_customers(query) -%}
{{ query }} customer_id in (select customer_id from {{ ref('customers') }})
{%- endmacro %}

{% macro count_rows() %}
    {% for relation in [ref('customers'), ref('stg_orders'), source('raw', 'orders')] %}
        {% set n = run_query("select count(*) as n from " ~ relation).columns[0].values()[0] %}
        {% do log(relation.identifier ~ ": " ~ n ~ " rows, " ~ (adapter.get_columns_in_relation(relation) | length) ~ " columns", info=true) %}
    {% endfor %}
{% endmacro %}
