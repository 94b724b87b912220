{{ config(materialized='table', primary_key='user_id') }}
select user_id from {{ source('raw', 'users') }}
