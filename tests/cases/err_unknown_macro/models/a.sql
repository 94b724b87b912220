select {{ cent('amount') }} as amount
