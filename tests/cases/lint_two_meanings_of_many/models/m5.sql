{{ config(materialized='table', primary_key='user_id') }}
select user_id, sum(seconds + 5) as watching from {{ source('raw', 'plays') }} group by user_id
