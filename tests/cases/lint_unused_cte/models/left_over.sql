{{ config(materialized='table') }}

with plays as (

    select
        user_id,
        title
    from {{ source('raw', 'plays') }}

),

titled as (

    select user_id
    from plays
    where title is not null

)

select user_id
from plays
