select {{ total('price') }} as price
