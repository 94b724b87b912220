{{ config(materialized='incremental', primary_key='user_id') }}
select user_id
from {{ source('raw', 'users') }}
where user_id > (select max(user_id) from {{ this }})
