{{ config(alias='orders?old') }}
select 2 as id
