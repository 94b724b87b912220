{{ config(materialized='table') }}
select value as user_id from generate_series(1, 5)
