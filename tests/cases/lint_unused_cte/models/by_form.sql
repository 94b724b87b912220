{{ config(materialized='incremental', primary_key='event_id') }}

-- read by the increments alone
with known as (

    select max(event_id) as last_id
    from {{ source('raw', 'plays') }}

)

select
    event_id,
    user_id
from {{ source('raw', 'plays') }}
{% if is_incremental() %}
where event_id > (select last_id from known)
{% endif %}
