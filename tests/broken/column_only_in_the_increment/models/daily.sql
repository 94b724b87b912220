{{ config(materialized='incremental', primary_key='play_id') }}
select play_id, user_id from {{ source('raw', 'plays') }}
{% if is_incremental() %}
where started > (select max(play_id) from {{ this }})
{% endif %}
