{{ config(materialized='table') }}
select user_id, 1 as "User_Id" from {{ source('raw', 'users') }}
