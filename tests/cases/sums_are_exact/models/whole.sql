{{ config(materialized='table') }}
select sum(x) as total, avg(y) as average, stddev_pop(y) as deviation from {{ ref('rows_in_order') }}
