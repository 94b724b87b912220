select {{ listed(['a', 'b']) }}
