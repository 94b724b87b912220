{{ config(materialized='incremental', incremental_strategy='append') }}
select {{ var('n') }} as n, {{ as_of() }} as at
