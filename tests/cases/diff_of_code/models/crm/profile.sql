select user_id, seconds / 3600 as hours, plays from {{ ref('watching') }}
