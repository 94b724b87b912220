select user_id, plays as user_id from {{ ref('users') }}
