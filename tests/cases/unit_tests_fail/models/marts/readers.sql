{{ config(materialized='table') }}
select level, count(*) as users from {{ ref('levels') }} group by level
