{# Nothing in a table happened at or after the instant that the run computes for. #}
{% test before_as_of(model, column_name) %}

select {{ column_name }}
from {{ model }}
where {{ column_name }} >= {{ as_of() }}

{% endtest %}
