select {{ cents('price') }} as cents from {{ source('raw', 'plays') }}
