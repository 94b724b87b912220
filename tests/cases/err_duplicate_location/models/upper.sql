{{ config(schema='finance', alias='Bills') }}
select 2 as id
