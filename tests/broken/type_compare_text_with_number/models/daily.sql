select play_id from {{ source('raw', 'plays') }} where content_id > 12
