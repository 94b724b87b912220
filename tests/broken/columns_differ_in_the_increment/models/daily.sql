{{ config(materialized='incremental', primary_key='play_id') }}
select play_id, user_id{% if is_incremental() %}, seconds{% endif %} from {{ source('raw', 'plays') }}
