{{ config(materialized='ephemeral') }}
select id, name as full_name from {{ ref('stg_users') }} where country = 'FR'
