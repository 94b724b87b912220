select sum(case when country = 'FR' then 1 else 0) as french
from {{ source('raw', 'users') }}
