{{ config(materialized='table') }}

select user_id, event_id from {{ source('raw', 'plays') }}
union all
select user_id, seconds from {{ source('raw', 'plays') }}
