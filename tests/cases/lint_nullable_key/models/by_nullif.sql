{{ config(materialized='table', primary_key='user_id') }}

select
    nullif(user_id, 0) as user_id,
    count(*) as plays
from {{ source('raw', 'plays') }}
group by 1
