{{ config(materialized='table') }}
select 1 / (count(*) - count(*)) as x from {{ ref('users') }}
