select user_id, spent * 2 as twice from {{ ref('daily') }}
