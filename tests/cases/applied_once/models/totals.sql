{{ config(materialized='incremental', primary_key='id', on_match={'total': 'sum'}) }}
select 'a' as id, {{ var('n') }} as total
