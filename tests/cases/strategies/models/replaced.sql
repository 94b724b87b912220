{{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key='user_id') }}
select user_id, sum(n) as n from {{ ref('events') }}
{% if is_incremental() %}where day = 3{% endif %}
group by user_id
