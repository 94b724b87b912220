{{ config(materialized='table') }}
select country, count(*) as users from {{ ref('users') }} group by country
