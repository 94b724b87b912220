{{ config(materialized='table') }}

select user_id, event_id from {{ source('raw', 'plays') }}
union all
select event_id, user_id from {{ source('raw', 'plays') }}
