{{ config(materialized='view') }}
select id, code from {{ ref('orders') }}
