select user_id from {{ ref('weekly') }}
