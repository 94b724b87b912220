{% for name in ['orders', 'orders_old', 'a', 'a_b', 'escaped', 'odd', 'deep'] %}
select id from {{ ref(name) }} {{ 'union all' if not loop.last }}
{% endfor %}
