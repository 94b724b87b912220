{{ config(materialized='table', primary_key='user_id') }}

select
    user_id,
    count(*) as plays,
    sum(seconds) as seconds
from {{ source('raw', 'plays') }}
group by user_id
