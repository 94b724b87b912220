{{ config(materialized='incremental', primary_key='user_id') }}
select user_id, max(day) as day from {{ ref('views') }} where cast(day as date) < cast({{ as_of() }} as date)
{% if is_incremental() %}and day > (select min(day) from {{ this }}){% endif %} group by user_id
