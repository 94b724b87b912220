{{ config(materialized='table') }}

select user_id, title as label, 0.5 as share from {{ source('raw', 'plays') }}
union all
select user_id, cast(seconds as varchar), 0 from {{ source('raw', 'plays') }}
union all
select user_id, null, null from {{ source('raw', 'plays') }}
