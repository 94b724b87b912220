{{ config(materialized='incremental', primary_key='id') }}
select value as id, {{ var('seen', 5) }} as seen from generate_series(1, 10) where value > {{ var('gone', 0) }}
