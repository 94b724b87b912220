{{ config(materialized='incremental', primary_key='UserId', on_duplicate_key='last by Full Name') }}
select 'u' || value as "UserId", {{ 'nullif(value, 2)' if var('nulls') else 'value' }} as "2024", value as "1e5",
    cast('2024-09-01' as date) as "current_date", 'n' || {{ '1' if var('twice') else 'value' }} as "Full Name", value as "a.b", value as "user", value as "no"
from generate_series(1, 3)
