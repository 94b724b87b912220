{{ config(materialized='incremental', primary_key='id', delete_when='erased', on_duplicate_key='last by seen_on') }}
select * from {{ ref('customers') }}
