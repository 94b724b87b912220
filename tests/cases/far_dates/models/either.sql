{{ config(materialized='table') }}
select id, to_at as at from {{ ref('valid') }}
union all
select id, day from {{ ref('valid') }} where day = to_at or day <> '2024-01-01'
