{{ config(materialized='incremental', primary_key='visit_id') }}
select visit_id, user_id, referrer from {{ ref('visits') }}
