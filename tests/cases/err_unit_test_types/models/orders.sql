select * from (values ('o1', 'u1', 10, date '2024-08-30')) as t (order_id, user_id, amount, ordered_on)
