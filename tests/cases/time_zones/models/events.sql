{{ config(materialized='table') }}
select * from (values
    (1, timestamptz '2024-03-31 00:59:59Z', 'Europe/Paris'),
    (2, timestamptz '2024-03-31 01:00:00Z', 'Europe/Paris'),
    (3, timestamptz '2024-07-01 22:30:00Z', 'Europe/Paris'),
    (4, timestamptz '2024-10-27 00:59:59Z', 'Europe/Paris'),
    (5, timestamptz '2024-10-27 01:00:00Z', 'America/New_York'),
    (6, null, 'Europe/Paris')
) as t(id, at, zone)
