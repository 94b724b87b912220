{{ config(materialized='table', partition_by='part') }}
select * from (values (1, 'null'), (2, null), (3, '__HIVE_DEFAULT_PARTITION'), (4, 'NULL')) as t(id, part)
