{{ config(alias='a%3Fb', materialized='incremental', primary_key='id', partition_by='part') }}
select 5 as id, 'x?y%3F' as part
