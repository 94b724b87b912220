{{ config(materialized='table', primary_key='user_id') }}
select 'u1' as user_id, 1 as logins, 'FR' as country
