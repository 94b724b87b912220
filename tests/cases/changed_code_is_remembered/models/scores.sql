{{ config(materialized='incremental', primary_key='id') }}
select value as id, 1 as score from generate_series(1, 3) as s(value)
{% if is_incremental() %}where value > {{ var('from') }}{% endif %}
