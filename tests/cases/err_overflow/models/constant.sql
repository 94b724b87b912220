{{ config(materialized='table') }}
select 9223372036854775807 + 1 as n
