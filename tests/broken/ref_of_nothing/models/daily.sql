select user_id from {{ ref('orders') }}
