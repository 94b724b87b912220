{{ config(materialized='table', primary_key='visitid', partition_by=['dya']) }}
select 1 as visit_id, 'u1' as user_id, date '2024-09-01' as day, cast(null as varchar) as referrer
