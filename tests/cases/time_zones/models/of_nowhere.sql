select id, at at time zone 'Europe/Pariss' as wall from {{ ref('events') }}
