select user_id,
    case when born is not null then country ~ '(fr' end as french
from {{ source('raw', 'users') }}
