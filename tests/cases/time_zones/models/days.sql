select cast(date '2024-07-01' at time zone 'Europe/Paris' as timestamp) as midnight_in_utc
