{{ config(materialized='incremental', incremental_strategy='merge') }}
select user_id, country from {{ source('raw', 'users') }}
