select {{ again() }} as c from {{ source('raw', 'plays') }}
