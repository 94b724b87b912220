{{ config(materialized='incremental', incremental_strategy='delete+insert', primary_key='id') }}
select day, id, n from {{ source('raw', 'events') }}
