{{ config(materialized='table') }}

with ranked as (

    select
        user_id,
        title,
        row_number() over (partition by user_id order by count(*) desc) as title_rank
    from {{ source('raw', 'plays') }}
    group by user_id, title

)

select
    user_id,
    title
from ranked
where title_rank = 1
