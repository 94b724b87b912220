{{ config(materialized='table') }}
select email, name, city, age from {{ ref('people') }}
