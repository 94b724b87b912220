{{ config(materialized='table') }}
select 'u1' as user_id, 'FR' as country
