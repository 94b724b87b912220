select {{ there(1) }} as n
