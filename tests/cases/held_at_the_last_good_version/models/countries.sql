select * from (values ('fr'), ('be'), ('nl'), ('x')) as t(code)
