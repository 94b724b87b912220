{{ config(materialized='incremental', incremental_strategy='append') }}
select day, user_id, n from {{ ref('events') }}
{% if is_incremental() %}where day > (select max(day) from {{ this }}){% endif %}
