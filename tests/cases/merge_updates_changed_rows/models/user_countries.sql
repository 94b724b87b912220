{{ config(materialized='incremental', primary_key='user_id') }}
select user_id, name, country from {{ ref('users') }}
