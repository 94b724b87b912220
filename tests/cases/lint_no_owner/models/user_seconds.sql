{{ config(materialized='table') }}

select user_id, sum(seconds) as seconds from {{ source('raw', 'plays') }} group by user_id
