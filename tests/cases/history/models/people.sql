{{ config(materialized='incremental', primary_key='user_id') }}
select user_id, name from {{ ref('users') }}
