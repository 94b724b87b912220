select {{ cents('1', scale=3) }} as amount
