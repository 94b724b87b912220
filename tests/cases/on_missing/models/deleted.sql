{{ config(materialized='incremental', primary_key='id', on_missing='delete') }}
select value as id from generate_series(1, 100) where value > {{ var('gone', 0) }}
