{{ config(materialized='table', primary_key='user_id', unique_key='country') }}
select user_id, country from {{ source('raw', 'users') }}
