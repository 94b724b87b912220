{{ config(materialized='table') }}

with plays as (

    select
        *,
        seconds / 60 as minutes
    from {{ source('raw', 'plays') }}

)

select * from plays
