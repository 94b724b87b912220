{{ config(materialized='incremental', incremental_strategy='murge', primary_key='user_id') }}
select user_id, country from {{ source('raw', 'users') }}
