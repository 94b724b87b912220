{{ config(materialized='incremental', primary_key='id', update_when='source.updatd_at > target.updated_at') }}
select 1 as id, 1 as updated_at
