select user_id from {{ ref('views') }} where user_id is null
