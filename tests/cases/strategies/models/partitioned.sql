{{ config(materialized='incremental', incremental_strategy='insert_overwrite', partition_by='day') }}
select day, user_id, n from {{ ref('events') }}
{% if is_incremental() %}where day >= 2{% endif %}
