select user_id from {{ ref('peple') }}
