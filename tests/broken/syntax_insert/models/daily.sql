insert into daily select 1
