{{ config(enabled=false) }}
select user_id, country from {{ source('raw', 'users') }}
