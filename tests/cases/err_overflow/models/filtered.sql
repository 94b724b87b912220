{{ config(materialized='table') }}
select id from {{ ref('data') }} where n * 2 > 0
