{{ config(materialized='table', primary_key='id') }}
select id, 'Dear ' || full_name as greeting from {{ ref('french') }}
