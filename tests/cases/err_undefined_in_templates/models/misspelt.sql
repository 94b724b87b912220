{% set columns = ['a', 'b'] %}
select {% for column in colums %}{{ column }}{% endfor %}
