{{ config(materialized='incremental', incremental_strategy='append') }}
select id from {{ source('raw', 'events') }} where extract(year from cast({{ as_of() }} as date)) > 2020
