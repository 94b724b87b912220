{{ config(materialized='table', primary_key=['city', 'email']) }}
select email, name, city from {{ ref('people') }}
