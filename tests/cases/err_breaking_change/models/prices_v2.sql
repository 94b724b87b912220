{{ config(materialized='table') }}
select 'p1' as product, cast(1 as bigint) as price
