{{ config(materialized='table') }}
select id, 2 * (n - 1) as n from {{ ref('data') }}
