select * from users_raw
