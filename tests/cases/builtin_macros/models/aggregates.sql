with x as (select * from (values (1,'a',true,'g'),(2,'b',false,'g'),(3,'c',false,'h')) as t(n,s,b,g))
select g, {{ dbt.listagg('s', "', '", 'order by n desc') }} as l, {{ dbt.listagg('s', "'|'", 'order by n desc', 1) }} as l1, {{ dbt.listagg('g') }} as l0, {{ dbt.listagg('n', "'-'", 'order by n') }} as ln,
 {{ dbt.any_value('g') }} as a, {{ dbt.bool_or('b') }} as b from x group by g order by g
