{{ config(materialized='table') }}
select
    id,
    at at time zone 'Europe/Paris' as wall,
    cast(at at time zone 'Europe/Paris' as timestamp) as as_timestamp,
    cast(at at time zone 'Europe/Paris' as date) as day,
    at at time zone zone as own,
    at at time zone 'UTC' as utc
from {{ ref('events') }}
