select nothing_there from (select 1 as id)
