{{ config(materialized='incremental', incremental_strategy='append') }}
select id from {{ source('raw', 'events') }}
