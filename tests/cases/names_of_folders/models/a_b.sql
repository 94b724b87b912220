{{ config(alias='a#b') }}
select 4 as id
