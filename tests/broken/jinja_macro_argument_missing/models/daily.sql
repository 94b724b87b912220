select {{ cents() }} as c from {{ source('raw', 'plays') }}
