{{ config(materialized='table') }}

select user_id, count(*) as plays from {{ source('raw', 'plays') }} group by user_id
