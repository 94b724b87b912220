{{ config(materialized='table') }}
select id, cast(4294967295 as int unsigned) + cast(id as int unsigned) as n from {{ ref('data') }}
