{{ config(materialized='incremental', incremental_strategy='append') }}
select id, n from {{ ref('rows') }}
