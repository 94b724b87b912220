select 1 as id {{ no_such_macro() }}
{{ config(materialized='incremental', primary_key='id', alias=nothing_here()) }}
{{ config(materialized='table') }}
