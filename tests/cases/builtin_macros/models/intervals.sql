select {{ dbt.get_intervals_between("cast('2024-01-01' as date)", "cast('2024-01-11' as date)", 'day') }} as n
