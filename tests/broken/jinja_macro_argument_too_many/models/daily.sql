select {{ cents('price', 2, 3) }} as c from {{ source('raw', 'plays') }}
