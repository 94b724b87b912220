{{ config(materialized='incremental', primary_key='id', on_schema_change='sync_all_columns') }}
select value as id, {{ var('sql') }} from generate_series(1, 3)
