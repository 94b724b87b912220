{{ config(materialized='table') }}

select user_id, count(distinct title) as titles from {{ source('raw', 'plays') }} group by user_id
