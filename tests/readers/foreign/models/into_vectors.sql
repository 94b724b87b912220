{{ config(materialized='incremental', primary_key='id', alias='vectors') }}
select * from {{ source('batch', 'changes') }}
