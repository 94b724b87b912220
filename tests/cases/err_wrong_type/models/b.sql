{{ config(enabled='often') }}
select 1 as id
