{{ config(materialized='table', tags='copy') }}
select * from {{ source('sail', 'vectors') }}
