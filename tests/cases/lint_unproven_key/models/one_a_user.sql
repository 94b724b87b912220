{{ config(materialized='table', primary_key='user_id') }}

with ranked as (

    select
        user_id,
        title,
        row_number() over (partition by user_id order by plays desc, title) as title_rank
    from {{ ref('pairs') }}

)

select
    users.user_id,
    ranked.title
from {{ source('raw', 'users') }} as users
left join ranked
    on ranked.user_id = users.user_id
    and ranked.title_rank = 1
