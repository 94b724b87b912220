{{ config(materialized='view') }}
select user_id, count(*) as days from {{ ref('daily') }} group by user_id
