select
  {{ outer('amount') }} as amount
