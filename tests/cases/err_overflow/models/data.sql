{{ config(materialized='table') }}
select * from (values (1, 9223372036854775807, 2147483647), (2, 10, 1)) as t(id, n, small)
