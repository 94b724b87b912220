{{ config(materialized='table', primary_key='userid') }}
select * from {{ ref('users') }}
