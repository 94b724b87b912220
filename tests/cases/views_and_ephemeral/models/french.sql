{{ config(materialized='ephemeral') }}
select * from {{ ref('users') }} where country = 'FR'
