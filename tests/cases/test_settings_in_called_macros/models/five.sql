select value as id from generate_series(1, 5)
