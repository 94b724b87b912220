select user_id, (select seconds, price from {{ source('raw', 'plays') }} limit 1) as x from {{ source('raw', 'users') }}
