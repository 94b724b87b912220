{{ config(materialized='incremental', primary_key='id', table_properties={'delta.enableChangeDataFeed': 'true'}) }}
select 1 as id, {{ var('plays', 1) }} as plays
{%- if var('more', false) %}, [cast('2024-01-01 10:00:00' as timestamp)] as seen_at{% endif %}
