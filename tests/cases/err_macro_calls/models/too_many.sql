select {{ cents('price', 2, 3) }} as price
