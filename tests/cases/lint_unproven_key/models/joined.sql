{{ config(materialized='table', primary_key='user_id') }}

select
    users.user_id,
    finer.title
from {{ source('raw', 'users') }} as users
left join {{ ref('finer') }} as finer
    on finer.user_id = users.user_id
    and finer.plays > 10
