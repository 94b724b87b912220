{% macro listed(first) %}{% for x in varargs %}{{ first }}{{ x }}{{ kwargs.sep if not loop.last }}{% endfor %}{% endmacro %}
{% macro twice(x) %}{{ return(x * 2) }}{% endmacro %}
select {{ listed('', 1, 2, sep=' + ') }} as three, {{ twice(4) + 1 }} as nine
