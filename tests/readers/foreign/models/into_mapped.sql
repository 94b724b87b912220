-- Without a change feed, since Sail does not write into a table that has one.
{{ config(materialized='incremental', primary_key='id', alias='mapped', change_data_feed=false) }}
select * from {{ source('batch', 'changes') }}
