select
    user_id,
    video_id,
    lag(video_id) over (partition by user_id order by at) as before,
    sum(seconds) over (partition by user_id) as seconds
from {{ source('raw', 'plays') }}
qualify row_number() over (partition by user_id order by at desc) = 1
