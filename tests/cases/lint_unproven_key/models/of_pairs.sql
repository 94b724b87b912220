{{ config(materialized='table', primary_key='user_id') }}

select
    users.user_id,
    pairs.title
from {{ source('raw', 'users') }} as users
left join {{ ref('pairs') }} as pairs
    on pairs.user_id = users.user_id
