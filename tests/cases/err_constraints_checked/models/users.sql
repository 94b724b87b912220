{{ config(materialized='table') }}
select 'u1' as user_id, 1 as number, null as email
