select e from (values (1), (1), (1), (null), (null)) as t(e)
except all
select e from (values (1), (null), (3)) as t(e)
order by e
