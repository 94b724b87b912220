{{ config(materialized='incremental', unique_key='user_id', full_refresh=false) }}
select user_id, max(day) as last_day from {{ ref('events') }} group by user_id
