select '{{ 'a'.uper() }}'
