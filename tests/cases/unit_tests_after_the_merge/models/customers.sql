select * from (values ('c1', 'Ada', 1, date '2024-08-01', false)) as t (id, name, spent, seen_on, erased)
