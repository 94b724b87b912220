{{ config(materialized='table', primary_key='user_id') }}
select user_id, sum(amount) as amount, max(ordered_on) as last_order from {{ ref('orders') }} group by user_id
