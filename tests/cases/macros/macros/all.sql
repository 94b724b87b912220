{% macro pairs(names) %}
{% set found = [] %}
{% for name in names %}{% do found.append(name ~ '_id') %}{% endfor %}
{{ return(found) }}
{% endmacro %}

{% macro quoted(text, mark="'") %}{{ mark }}{{ text }}{{ mark }}{% endmacro %}

{% macro shout(text) %}{{ return(adapter.dispatch('shout')(text)) }}{% endmacro %}
{% macro default__shout(text) %}{{ quoted(text | upper) }}{% endmacro %}

{% macro wrapped() %}coalesce({{ caller() }}, 'none'){% endmacro %}

{% macro countries() %}
{% set answer = run_query('select distinct country from ' ~ ref('users') ~ ' order by country') %}
{% if execute %}{{ return(answer.columns[0].values()) }}{% else %}{{ return([]) }}{% endif %}
{% endmacro %}
