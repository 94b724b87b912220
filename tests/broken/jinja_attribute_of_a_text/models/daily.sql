select '{{ 'fr'.upr() }}' as country from {{ source('raw', 'users') }}
