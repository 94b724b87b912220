{{ config(materialized='incremental', primary_key='id', on_missing='flag(is_gone)') }}
select * from {{ ref('customers') }}
