{{ config(materialized='table', primary_key=['city']) }}
select email, name, city, age from {{ ref('people') }} where city <> 'Paris'
