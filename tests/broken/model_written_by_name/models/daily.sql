select user_id from people
