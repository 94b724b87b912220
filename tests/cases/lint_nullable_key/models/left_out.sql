{{ config(materialized='table', primary_key='user_id') }}

with plays as (

    select nullif(user_id, 0) as user_id
    from {{ source('raw', 'plays') }}

)

select
    user_id,
    count(*) as plays
from plays
where user_id is not null
group by user_id
