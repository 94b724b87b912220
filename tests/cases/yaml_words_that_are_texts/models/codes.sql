select '007' as code, 1.10 as rate
