{{ config(materialized='table') }}

with numbered as (

    select
        user_id,
        title,
        row_number() over (partition by user_id order by user_id) as number
    from {{ source('raw', 'plays') }}

)

select
    user_id,
    title
from numbered
where number = 1
limit 100
