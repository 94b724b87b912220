{{ config(materialized='incremental', incremental_strategy='append') }}
select id, {{ as_of() }} as at from {{ source('raw', 'events') }}
