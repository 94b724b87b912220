{{ config(materialized='incremental', primary_key='id', on_match={'spent': 'sum', 'seen_on': 'max', 'name': 'coalesce', '*': 'keep'}) }}
select * from {{ ref('customers') }}
