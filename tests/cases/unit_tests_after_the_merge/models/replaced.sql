{{ config(materialized='table', primary_key='id') }}
select * from {{ ref('customers') }}
