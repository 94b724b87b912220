{% for c in run_query('select 1 as a').columns %}select {{ c.name }} from (select 1 as a){% endfor %}
