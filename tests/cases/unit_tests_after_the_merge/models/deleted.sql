{{ config(materialized='incremental', primary_key='id', on_missing='delete') }}
select * from {{ ref('customers') }}
