{{ config(materialized='incremental', incremental_strategy='append') }}
select id, '{{ var("country") }}' as country from {{ source('raw', 'events') }}
