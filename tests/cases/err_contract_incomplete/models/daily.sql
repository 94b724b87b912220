{{ config(materialized='incremental', primary_key='user_id', on_schema_change='ignore') }}
select 'u1' as user_id, 1 as logins
