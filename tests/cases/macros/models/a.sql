{{ config(materialized='table') }}
select
    {% for pair in pairs(['user', 'content']) -%}
    {{ quoted(pair, mark="'") }} as {{ pair }},
    {% endfor -%}
    {{ shout('hello') }} as hello,
    {% call wrapped() %}nullif('a', 'a'){% endcall %} as wrapped,
    {{ var('days', 7) }} as days,
    '{{ this.name }} {{ target.name }} {{ model.name }}' as words
