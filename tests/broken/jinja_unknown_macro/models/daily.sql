select {{ cent('seconds') }} as c from {{ source('raw', 'plays') }}
