{{ config(materialized='incremental', primary_key=['k', 'y', 'x']) }}
select
    k,
    x,
    y,
    sum(x) over (partition by k) as total,
    sum(x) over (partition by k order by y, x rows between 1 preceding and current row) as sliding,
    avg(y) over (partition by k order by y, x rows between 2 preceding and current row) as sliding_average,
    stddev(y) over (partition by k order by y, x rows between 2 preceding and current row) as sliding_deviation
from {{ ref('rows_in_order') }}
group by k, x, y
