select user_id from {{ ref('people') }}
