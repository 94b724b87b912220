{{ config(materialized='table', partition_by='part') }}
select k, id, part, cast(x as double) as x from {{ ref('orders') }}
