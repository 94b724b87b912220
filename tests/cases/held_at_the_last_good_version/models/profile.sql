{{ config(materialized='incremental', primary_key='user_id') }}
select user_id, country, length(country) as letters from {{ ref('users') }}
