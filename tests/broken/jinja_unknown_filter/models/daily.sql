select '{{ 'fr' | uper }}' as country, user_id from {{ source('raw', 'users') }}
