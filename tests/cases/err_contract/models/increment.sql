{{ config(materialized='incremental', primary_key='user_id') }}
select 'u1' as user_id, 1 as logins
{% if is_incremental() %}, 2 as more {% endif %}
