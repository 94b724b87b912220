{{ dbt.date_spine(datepart='month', start_date="'2024-01-31'", end_date="date '2024-04-30'") }}
