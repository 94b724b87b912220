{% test fewer_than(model, most) %}
{{ config(fail_calc='sum(rows_over)', severity='error') }}
select count(*) - {{ most }} as rows_over from {{ model }} having count(*) > {{ most }}
{% endtest %}
