{{ config(materialized='table') }}
select id, code from {{ ref('coded') }}
