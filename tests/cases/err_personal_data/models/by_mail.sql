{{ config(materialized='table', primary_key='email') }}
select email, name, city from {{ ref('people') }} where email is not null
