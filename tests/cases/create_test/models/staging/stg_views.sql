select
    user_id,
    cast(watched_at as date) as day,
    seconds,
    paid,
    make_array('a', tags) as tags
from {{ source('raw', 'views') }}
