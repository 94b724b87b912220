{{ config(materialized='table') }}
select * from {{ source('batch', 'replaced') }}
