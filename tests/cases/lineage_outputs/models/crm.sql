select user_id, seconds / 3600 as hours from {{ ref('user_time') }} where seconds > 0
