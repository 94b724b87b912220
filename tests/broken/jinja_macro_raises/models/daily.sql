select {{ only_paid('free') }} as c from {{ source('raw', 'plays') }}
