{{ config(materialized='table') }}
select user_id, country from {{ source('raw', 'users') }}
