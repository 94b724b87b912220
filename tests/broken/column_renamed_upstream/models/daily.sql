select user_id, country from {{ ref('people') }}
