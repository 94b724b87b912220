select a.v as latest, b.v as ten, c.v as one from {{ ref('s') }} a cross join {{ ref('s', v=1.10) }} b cross join {{ ref('s', version=1.1) }} c
