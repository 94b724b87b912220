select user_id, logins from {{ ref('visits') }}
