{{ config(incremental_strategy='append') }}
select * from {{ source('batch', 'appended') }}
