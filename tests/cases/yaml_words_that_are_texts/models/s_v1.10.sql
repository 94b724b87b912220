select 'one-ten' as v
