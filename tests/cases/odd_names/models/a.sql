{{ config(materialized='incremental', primary_key=['User Id', 'select']) }}
select 'u1' as "User Id", 1 as "select", 'é' as "d'été", 1.5 as "a.b", {% if is_incremental() %}2{% else %}1{% endif %} as "say ""hi"""
