{{ config(materialized='table') }}

select user_id, title as label from {{ source('raw', 'plays') }}
union all
select user_id, seconds from {{ source('raw', 'plays') }}
