select user_id from users
