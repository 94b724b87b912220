{{ config(materialized='table', primary_key='user_id') }}
select user_id, sum(n) as n from {{ ref('views') }} where cast(day as date) < cast({{ as_of() }} as date) group by user_id
