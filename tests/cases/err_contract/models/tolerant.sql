{{ config(materialized='table') }}
select 'u1' as user_id, 1 as logins, cast('2024-09-01' as timestamp) as seen_at
