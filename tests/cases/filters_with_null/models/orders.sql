{{ config(materialized='table') }}
select * from (values (1, 5, 'a', 1.5), (2, null, 'b', 'NaN'), (3, 2, null, 2.5), (4, 7, 'B', null)) as t(k, id, part, x)
