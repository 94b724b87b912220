{{ config(materialized='incremental', primary_key='id') }}
select * from {{ ref('customers') }}
