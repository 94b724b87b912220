{{ config(materialized='incremental', primary_key='day', on_match={'n': 'sum'}) }}
select day, count(*) as n from {{ ref('events') }} group by day
