{{ config(materialized='table') }}

select
    user_id,
    count(*) as plays,
    sum(count(*)) over () as plays_of_all
from {{ source('raw', 'plays') }}
group by user_id
