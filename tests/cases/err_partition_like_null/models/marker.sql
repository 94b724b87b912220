{{ config(materialized='table', partition_by='part') }}
select * from (values (1, '__HIVE_DEFAULT_PARTITION__'), (2, null), (3, 'x')) as t(id, part)
