{{ config(schema='Finance', alias='bills') }}
select 1 as id
