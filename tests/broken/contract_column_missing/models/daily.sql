{{ config(materialized='table', contract={'enforced': true}) }}
select user_id, country from {{ source('raw', 'users') }}
