select value from generate_series(1, 10)
where value = 0 {% for i in range(2000) %} or value = {{ i }}{% endfor %}
