{{ config(materialized='table') }}
select count(distinct id) as ids, sum(distinct n) as n from {{ ref('data') }}
