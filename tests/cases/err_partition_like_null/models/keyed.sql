{{ config(materialized='incremental', primary_key=['part', 'id'], partition_by='part') }}
select * from (values (1, '{{ var('part', 'x') }}')) as t(id, part)
