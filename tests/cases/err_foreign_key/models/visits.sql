{{ config(materialized='table') }}
select 1 as visit_id, 'u1' as user_id, 'FR' as country
