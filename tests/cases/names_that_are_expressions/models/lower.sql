select 'u1' as userid, 'n1' as full_name
