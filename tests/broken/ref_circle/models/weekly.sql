select user_id from {{ ref('daily') }}
