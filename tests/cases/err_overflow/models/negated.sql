{{ config(materialized='table') }}
select id, -(-n - 1) as n from {{ ref('data') }}
