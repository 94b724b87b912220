{% macro count_users(country='FR') %}
{% set answer = run_query("select count(*) from " ~ ref('users') ~ " where country = '" ~ country ~ "'") %}
{{ log(country ~ ': ' ~ answer.columns[0].values()[0], info=true) }}
{% endmacro %}
