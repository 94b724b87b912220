{{ config(materialized='table') }}
select user_id, now() - signed_up_at as age from {{ source('raw', 'users') }}
