{{ config(materialized='incremental', primary_key='id', on_missing='flag(is_gone)') }}
select value as id from generate_series(1, 3) where value > {{ var('gone', 0) }}
