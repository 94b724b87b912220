{% iff true %}{% endiff %}select user_id from {{ source('raw', 'users') }}
