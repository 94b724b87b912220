{{ config(materialized='table') }}
select id, cast(id as int unsigned) - cast(2 as int unsigned) as n from {{ ref('data') }}
