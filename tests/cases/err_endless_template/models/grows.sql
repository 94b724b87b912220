{% set list = [1] %}
{% for i in range(60) %}{% do list.extend(list) %}{% endfor %}
select {{ list | length }} as x
