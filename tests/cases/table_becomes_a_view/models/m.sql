{{ config(materialized=var('as')) }}
select 1 as id
