{{ config(materialized='incremental', primary_key='user_id') }}
select * from {{ ref('users') }}
