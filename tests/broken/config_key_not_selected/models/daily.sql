{{ config(materialized='table', primary_key='usr_id') }}
select user_id, country from {{ source('raw', 'users') }}
