{{ config(materialized='incremental', primary_key='play_id') }}
select play_id, user_id from {{ source('raw', 'plays') }}
{% if is_incremental() %}
where started_at > (select max(started_at) from {{ this }})
{% endif %}
