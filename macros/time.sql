{# Days, hours and months are those of the viewers: of the variable `time_zone`, not of UTC. Instants stay in UTC.
   Only the macros of this file know the time zone. #}

{# What the clock on the viewers' wall shows at an instant. #}
{% macro local_time(instant) -%}
({{ instant }} at time zone '{{ var("time_zone") }}')
{%- endmacro %}

{# The viewers' day at an instant. #}
{% macro local_date(instant) -%}
cast({{ local_time(instant) }} as date)
{%- endmacro %}

{# The hour of that day, 0 to 23. #}
{% macro local_hour(instant) -%}
extract(hour from {{ local_time(instant) }})
{%- endmacro %}

{# The day of the run: the viewers' day at as_of(). #}
{% macro as_of_date() -%}
{{ local_date("cast(" ~ as_of() ~ " as timestamptz)") }}
{%- endmacro %}

{# The day that many days before the day of the run. #}
{% macro days_ago(days) -%}
{{ as_of_date() }} - interval '{{ days }}' day
{%- endmacro %}

{# Whether a day is one of the last `days` whole days. The day of the run is not over, so it is none of them.
   `before` moves the window back: in_last_days(day, 30, before=30) are the 30 days before the last 30. #}
{% macro in_last_days(day, days, before=0) -%}
({{ day }} >= {{ days_ago(days + before) }} and {{ day }} < {{ days_ago(before) }})
{%- endmacro %}

{# The first day of the run's month: what a monthly table is computed for. #}
{% macro month_start() -%}
cast(date_trunc('month', {{ as_of_date() }}) as date)
{%- endmacro %}

{# Days from one date to another. #}
{% macro days_between(first, last) -%}
cast({{ last }} - {{ first }} as bigint)
{%- endmacro %}
