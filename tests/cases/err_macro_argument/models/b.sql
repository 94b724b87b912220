select {{ cents() }} as amount
