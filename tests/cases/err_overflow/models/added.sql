{{ config(materialized='table') }}
select
    id,
    n + id as n
from {{ ref('data') }}
