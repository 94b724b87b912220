select {{ 1 + 'a' }} as x from {{ source('raw', 'users') }}
