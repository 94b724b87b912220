{#- Hooks inside and outside of dbt's transactions. A Delta commit needs none, so each is the statement. -#}

{% macro before_begin(sql) -%}
    {{ return(sql) }}
{%- endmacro %}

{% macro in_transaction(sql) -%}
    {{ return(sql) }}
{%- endmacro %}

{% macro after_commit(sql) -%}
    {{ return(sql) }}
{%- endmacro %}
