{{ config(materialized='table') }}

select user_id, count(*) as plays from {{ ref('stg_plays') }} group by user_id
