{{ config(materialized='incremental', primary_key='play_id') }}
select play_id, {% if is_incremental() %}'none'{% else %}seconds{% endif %} as seconds from {{ source('raw', 'plays') }}
