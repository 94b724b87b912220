select user_id, video_id, seconds / 60 as minutes, kind from {{ source('raw', 'plays') }}
