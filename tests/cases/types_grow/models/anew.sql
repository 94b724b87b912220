{{ config(materialized='table', primary_key='id') }}
select value as id, {{ var('sql') }} from generate_series(1, 3)
