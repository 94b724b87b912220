-- More than the limit holds, sorted: it is spilled.
select value as id, repeat(cast(value as varchar), 200) as text
from generate_series(1, 110000)
order by reverse(cast(value as varchar))
