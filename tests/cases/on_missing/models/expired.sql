{{ config(materialized='incremental', primary_key='id', on_missing='expire after 30 days', max_delete_ratio='50%') }}
select value as id from generate_series(1, 3) where value > {{ var('gone', 0) }}
