{{ config(materialized='incremental', primary_key='user_id') }}
select user_id, amount, array_agg(amount) over (partition by user_id) as amounts from {{ ref('users') }}
{% if is_incremental() %}where amount > (select max(amount) from {{ this }}){% endif %}
