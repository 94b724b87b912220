{{ config(materialized='incremental', primary_key='id', on_duplicate_key='last by updated_at') }}
select * from (values (1, 5, 'old'), (1, 7, 'new'), (1, null, 'unknown'), (2, 1, 'only')) as t (id, updated_at, said)
