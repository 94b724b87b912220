{{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key=['day'], primary_key='id') }}
select day, id, n from {{ source('raw', 'events') }}
