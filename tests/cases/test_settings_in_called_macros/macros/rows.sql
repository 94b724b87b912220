{% test fewer_rows_than(model, compare_model) %}
{{ return(adapter.dispatch('test_fewer_rows_than', 'dbt_utils')(model, compare_model)) }}
{% endtest %}

{% macro default__test_fewer_rows_than(model, compare_model) %}
{{ config(fail_calc='sum(coalesce(row_count_delta, 0))') }}
{%- if not execute -%}{{ return('') }}{% endif %}
with a as (select count(*) as n from {{ model }}), b as (select count(*) as n from {{ compare_model }})
select case when a.n > b.n then a.n - b.n when a.n = b.n then 1 else 0 end as row_count_delta from a cross join b
{% endmacro %}
