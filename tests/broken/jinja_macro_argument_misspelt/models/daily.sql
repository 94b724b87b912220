select {{ cents('price', digit=2) }} as c from {{ source('raw', 'plays') }}
