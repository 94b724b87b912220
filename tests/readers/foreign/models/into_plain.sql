{{ config(materialized='incremental', primary_key='id', alias='plain') }}
select * from {{ source('batch', 'changes') }}
