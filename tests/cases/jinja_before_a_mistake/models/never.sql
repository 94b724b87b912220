{% if execute and false %}select 1 as id{% endif %}
