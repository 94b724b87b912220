{{ config(schema='sales') }}
select 2 as id
