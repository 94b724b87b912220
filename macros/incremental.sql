{# The users of whom rows were loaded since the table was last built: those to compute again.

   Loads are compared, not events: an event of last week that arrives today counts as new. Rows loaded
   at the table's latest load were all there when it was built, because staging reads whole loads only. #}
{% macro touched_users(rows, table, loaded_at='loaded_at') -%}
select user_id
        from {{ rows }}
        where {{ loaded_at }} > {{ last_load(table) }}
{%- endmacro %}

{# The latest load that a table has seen; the beginning of time while it is empty. #}
{% macro last_load(table) -%}
(select coalesce(max(last_loaded_at), timestamp '1970-01-01 00:00:00') from {{ table }})
{%- endmacro %}
