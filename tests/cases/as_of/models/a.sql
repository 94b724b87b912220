select {{ as_of() }} as instant, {{ as_of().date() }} as day
