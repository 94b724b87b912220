select {{ how_many() + 1 }} as n
