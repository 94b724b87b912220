{{ config(materialized='table') }}
select user_id, cast(age as integer) as age from {{ ref('users') }}
