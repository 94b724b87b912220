select value as id, case when value < {{ var('by', 4) }} then 'x' end as v, 'secret' as note
from generate_series(1, 3)
