{{ config(materialized='table', partition_by='day') }}
select user_id, country from {{ source('raw', 'users') }}
