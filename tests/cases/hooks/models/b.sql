{{ config(materialized='table', pre_hook='select nope') }}
select 1 as id
