select '{{ target.nme }}' as target
