{{ config(materialized='table', alias='people') }}
select user_id, country from {{ source('raw', 'users') }}
