{{ config(materialized='incremental', primary_key='id', alias='mapped') }}
select * from {{ source('batch', 'changes') }}
