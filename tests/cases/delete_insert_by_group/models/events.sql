{{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key='day') }}
select day, n from {{ source('raw', 'events') }}
