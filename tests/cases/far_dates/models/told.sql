{{ config(materialized='table') }}
select id, until, date_trunc('year', until) as year from {{ source('raw', 'told') }} where until > '2024-01-01'
