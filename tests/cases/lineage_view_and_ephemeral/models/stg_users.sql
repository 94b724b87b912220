{{ config(materialized='view') }}
select user_id as id, trim(name) as name, country from {{ source('raw', 'users') }} where country <> ''
