{{ config(incremental_strategy='insert_overwrite', partition_by='day') }}
select * from {{ source('batch', 'days') }}
