select user_id from {{ ref('user_time') }} where minutes > 600
