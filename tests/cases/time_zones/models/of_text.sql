select '2024-07-01 00:00' at time zone 'Europe/Paris' as midnight
