select id % 80000 as id, count(*) as n, max(text) as text
from {{ ref('sorted') }}
group by 1
