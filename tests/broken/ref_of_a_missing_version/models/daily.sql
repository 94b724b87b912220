select user_id from {{ ref('people', v=3) }}
