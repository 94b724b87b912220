select user_id, premium from {{ ref('people') }}
