{#- Dates and times. Nothing here reads the wall clock: the present is `as_of()`. -#}

{% macro current_timestamp() -%}
    {{ return(adapter.dispatch('current_timestamp', 'dbt')()) }}
{%- endmacro %}

{#- The instant that the run computes for, so that a run can be repeated. -#}
{% macro default__current_timestamp() -%}
    {{ as_of() }}
{%- endmacro %}

{% macro current_timestamp_in_utc() -%}
    {{ return(dbt.current_timestamp()) }}
{%- endmacro %}

{% macro current_timestamp_backcompat() -%}
    {{ return(dbt.current_timestamp()) }}
{%- endmacro %}

{% macro current_timestamp_in_utc_backcompat() -%}
    {{ return(dbt.current_timestamp()) }}
{%- endmacro %}

{% macro date_trunc(datepart, date) -%}
    {{ return(adapter.dispatch('date_trunc', 'dbt')(datepart, date)) }}
{%- endmacro %}

{% macro default__date_trunc(datepart, date) -%}
    date_trunc('{{ datepart }}', {{ date }})
{%- endmacro %}

{% macro dateadd(datepart, interval, from_date_or_timestamp) -%}
    {{ return(adapter.dispatch('dateadd', 'dbt')(datepart, interval, from_date_or_timestamp)) }}
{%- endmacro %}

{#- The engine does not multiply intervals: the number becomes part of the text of one. It has no hours
    in a date either, so that parts of a day are added to the timestamp. -#}
{% macro default__dateadd(datepart, interval, from_date_or_timestamp) -%}
    {%- set part = datepart | lower -%}
    {%- set number = '(' ~ interval ~ ') * 3' if part == 'quarter' else interval -%}
    {%- set unit = 'month' if part == 'quarter' else part -%}
    {%- set from = from_date_or_timestamp -%}
    {%- if part not in ('day', 'week', 'month', 'quarter', 'year') -%}
        {%- set from = 'cast(' ~ from ~ ' as timestamp)' -%}
    {%- endif -%}
    ({{ from }} + cast(cast({{ number }} as varchar) || ' {{ unit }}' as interval))
{%- endmacro %}

{% macro datediff(first_date, second_date, datepart) -%}
    {{ return(adapter.dispatch('datediff', 'dbt')(first_date, second_date, datepart)) }}
{%- endmacro %}

{#- The number of boundaries of the part between the two, as in dbt: from 23:59 to 00:01 is one day. -#}
{% macro default__datediff(first_date, second_date, datepart) -%}
    {%- set part = datepart | lower -%}
    {%- set seconds = {'second': 1, 'minute': 60, 'hour': 3600, 'day': 86400, 'week': 604800} -%}
    {%- set months = {'month': 1, 'quarter': 3, 'year': 12} -%}
    {%- if part in months -%}
    cast(
        (date_part('year', {{ second_date }}) - date_part('year', {{ first_date }})) * {{ 12 // months[part] }}
        {%- if part == 'month' %}
        + date_part('month', {{ second_date }}) - date_part('month', {{ first_date }})
        {%- elif part == 'quarter' %}
        + date_part('quarter', {{ second_date }}) - date_part('quarter', {{ first_date }})
        {%- endif %}
    as bigint)
    {%- elif part in seconds -%}
    cast(
        (
            date_part('epoch', date_trunc('{{ part }}', cast({{ second_date }} as timestamp)))
            - date_part('epoch', date_trunc('{{ part }}', cast({{ first_date }} as timestamp)))
        ) / {{ seconds[part] }}
    as bigint)
    {%- elif part in ('millisecond', 'microsecond') -%}
    cast(
        (
            date_part('epoch', cast({{ second_date }} as timestamp))
            - date_part('epoch', cast({{ first_date }} as timestamp))
        ) * {{ 1000 if part == 'millisecond' else 1000000 }}
    as bigint)
    {%- else -%}
    {{ exceptions.raise_compiler_error("`datediff` does not know the part `" ~ datepart ~ "`") }}
    {%- endif -%}
{%- endmacro %}

{% macro last_day(date, datepart) -%}
    {{ return(adapter.dispatch('last_day', 'dbt')(date, datepart)) }}
{%- endmacro %}

{% macro default__last_day(date, datepart) -%}
    cast(
        {{ dbt.dateadd('day', '-1', dbt.dateadd(datepart, '1', dbt.date_trunc(datepart, date))) }}
    as date)
{%- endmacro %}

{% macro date(year, month, day) -%}
    {{ return(adapter.dispatch('date', 'dbt')(year, month, day)) }}
{%- endmacro %}

{% macro default__date(year, month, day) -%}
    {%- set day = modules.datetime.date(year, month, day) -%}
    to_date('{{ day.isoformat() }}')
{%- endmacro %}

{% macro generate_series(upper_bound) -%}
    {{ return(adapter.dispatch('generate_series', 'dbt')(upper_bound)) }}
{%- endmacro %}

{% macro default__generate_series(upper_bound) -%}
    select cast(value as bigint) as generated_number
    from generate_series(1, {{ upper_bound }})
{%- endmacro %}

{% macro get_intervals_between(start_date, end_date, datepart) -%}
    {{ return(adapter.dispatch('get_intervals_between', 'dbt')(start_date, end_date, datepart)) }}
{%- endmacro %}

{% macro default__get_intervals_between(start_date, end_date, datepart) -%}
    {%- call statement('get_intervals_between', fetch_result=true) %}
        select {{ dbt.datediff(start_date, end_date, datepart) }}
    {%- endcall -%}
    {%- if execute -%}
        {{ return(load_result('get_intervals_between')['data'][0][0]) }}
    {%- else -%}
        {{ return(0) }}
    {%- endif -%}
{%- endmacro %}

{% macro date_spine(datepart, start_date, end_date) -%}
    {{ return(adapter.dispatch('date_spine', 'dbt')(datepart, start_date, end_date)) }}
{%- endmacro %}

{#- As many starts of a part as lie between the dates, the end left out, as in dbt. One statement, which
    needs no query while it compiles. -#}
{% macro default__date_spine(datepart, start_date, end_date) -%}
    {%- set start = 'cast(' ~ start_date ~ ' as timestamp)' -%}
    {%- set intervals = dbt.datediff(start_date, end_date, datepart) -%}
    select date_{{ datepart }}
    from (
        select {{ dbt.dateadd(datepart, 'interval_number', start) }} as date_{{ datepart }}
        from (select unnest(range(0, {{ intervals }})) as interval_number)
    )
    where date_{{ datepart }} <= cast({{ end_date }} as timestamp)
{%- endmacro %}
