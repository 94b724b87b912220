{{ config(materialized='incremental', incremental_strategy='insert_overwrite', partition_by='seen_on') }}
select * from {{ ref('customers') }}
