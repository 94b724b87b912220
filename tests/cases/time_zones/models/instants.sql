{{ config(materialized='table') }}
select
    wall,
    cast(wall at time zone 'Europe/Paris' as timestamp) as instant_in_utc,
    wall at time zone 'Europe/Paris' at time zone 'Europe/Paris' as back
from (values
    (timestamp '2024-03-31 01:59:59'),
    (timestamp '2024-03-31 02:30:00'),
    (timestamp '2024-03-31 03:00:00'),
    (timestamp '2024-10-27 01:59:59'),
    (timestamp '2024-10-27 02:30:00'),
    (timestamp '2024-10-27 03:00:00'),
    (timestamp '9999-12-31 23:59:59.999999')
) as t(wall)
