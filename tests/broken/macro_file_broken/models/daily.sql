select {{ one() }} as one, {{ two() }} as two from {{ source('raw', 'users') }}
