{{ config(materialized='table') }}

select
    user_id,
    cast(plays as double) / nullif(plays_of_all, 0) as share,
    plays / 60 as minutes,
    cast(plays_of_all / plays as bigint) as whole_parts
from {{ ref('counts') }}
