select * from (values (1, 'one', true, null, 1.5, date '2024-08-01'), (2, 'two, "2"', false, 'x', null, null)) as t (id, name, ok, note, amount, day)
