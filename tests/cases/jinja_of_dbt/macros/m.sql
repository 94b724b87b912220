{% macro dbt_utils_like(a) %}{{ a }} {{ varargs | join('/') }} {{ kwargs.k }} {{ kwargs | length }}{% endmacro %}
{% macro wrap(x) %}<{{ x }}:{{ caller() }}>{% endmacro %}
{% macro dbt_utils_get(q) %}{% set t = {} %}{% for c in run_query(q).columns %}{% do t.update({c.name: c.values()}) %}{% endfor %}{{ return(t) }}{% endmacro %}
