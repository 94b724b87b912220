{{ config(materialized='view', schema='sales') }}
select 2 as id
