select 1 as user_id, 'Zoé' as name, 2 as plays
