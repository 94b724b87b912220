{{ config(materialized='table') }}

with plays as (

    select * from {{ source('raw', 'plays') }}

),

final as (

    select
        event_id,
        user_id
    from plays

)

select * from final
