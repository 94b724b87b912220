{{ config(materialized='incremental', primary_key='id') }}
select 1 as id {{ no_such_macro() }}
