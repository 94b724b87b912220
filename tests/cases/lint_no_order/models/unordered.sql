{{ config(materialized='table') }}

select
    user_id,
    first_value(title) as first_title,
    string_agg(title, ', ') as titles
from {{ source('raw', 'plays') }}
group by user_id
