{{ config(materialized='table', primary_key='user_id') }}

select
    user_id,
    count(*) as plays
from {{ source('raw', 'plays') }}
group by user_id
