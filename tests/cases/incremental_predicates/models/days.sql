{{ config(
    materialized='incremental',
    unique_key='user_id',
    incremental_predicates=["DBT_INTERNAL_DEST.day >= DBT_INTERNAL_SOURCE.day - interval '7 day'"]
) }}
select 1 as user_id, cast('{{ var("day", "2024-01-01") }}' as date) as day, {{ var('plays') }} as plays
