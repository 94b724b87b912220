{% test no_blank(model, column_name) %}
select {{ column_name }} from {{ model }} where {{ column_name }} = ''
{% endtest %}
