{{ config(materialized='incremental', primary_key='id', on_missing='expire after 30 days') }}
select * from {{ ref('customers') }}
