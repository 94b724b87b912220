{{ config(materialized='table', post_hook="copy (select * from {{ this }} order by user_id) to 'export.csv' stored as csv") }}
select user_id from {{ ref('users') }}
