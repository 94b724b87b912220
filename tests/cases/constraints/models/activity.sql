{{ config(materialized='incremental', primary_key='user_id') }}
select user_id, logins, seen_at from {{ ref('visits') }}
