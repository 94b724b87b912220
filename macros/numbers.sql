{# One count over another, to four decimals; null where there is nothing to divide by. Both sides are
   whole numbers, so the result does not depend on the order in which rows were read. #}
{% macro ratio(part, whole) -%}
round(cast({{ part }} as double) / nullif({{ whole }}, 0), 4)
{%- endmacro %}

{# The age band of a birth year on the day of the run. Age counts in calendar years: only the year is known. #}
{% macro age_band(birth_year) -%}
{%- set age = "extract(year from " ~ as_of_date() ~ ") - " ~ birth_year -%}
case
        when {{ birth_year }} is null then 'unknown'
        when {{ age }} < 18 then 'under 18'
        {%- for low, high in [(18, 24), (25, 34), (35, 49), (50, 64)] %}
        when {{ age }} <= {{ high }} then '{{ low }}-{{ high }}'
        {%- endfor %}
        else '65 and over'
    end
{%- endmacro %}
