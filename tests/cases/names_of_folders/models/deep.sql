{{ config(schema='x#y') }}
select 7 as id
