-- More rows than the limit holds, sorted: they are spilled.
select value as id, repeat(cast(value as varchar), 12) as text
from generate_series(1, 1500000)
order by reverse(cast(value as varchar))
