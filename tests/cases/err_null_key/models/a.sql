{{ config(materialized='table', primary_key='user_id') }}
select * from {{ ref('users') }}
