{{ config(materialized='table') }}
select * from (values (2), (7), (null)) as t(e)
