{{ config(materialized='table') }}
select id, cast(small as integer) + cast(1 as integer) as n from {{ ref('data') }}
