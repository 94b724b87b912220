{{ config(materialized='table') }}

select user_id from {{ ref('a_view') }}
