select * from ({{ dbt.date_spine('day', "cast('2024-02-27' as date)", "cast('2024-03-02' as date)") }})
