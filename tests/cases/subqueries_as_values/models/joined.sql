select id, l.name, r.amount
from (values (1, 'a'), (2, 'b')) as l(id, name)
full join (values (2, 20), (3, 30)) as r(id, amount) using (id)
where id is not null and l.name is distinct from 'a' and true
order by id
