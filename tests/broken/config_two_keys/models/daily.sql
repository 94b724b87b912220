{{ config(materialized='table', primary_key='user_id') }}
select user_id, country from {{ source('raw', 'users') }}
