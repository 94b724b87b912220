{{ config(materialized='table', post_hook='select nope from {{ this }}') }}
select user_id from {{ source('raw', 'users') }}
