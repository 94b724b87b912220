select
    k,
    id in (select e from {{ ref('i') }}) as is_in,
    id not in (select e from {{ ref('i') }} where e is not null) as not_in,
    exists (select 1 from {{ ref('i') }} where e = o.id) as there,
    (select count(*) from {{ ref('i') }} where e > o.k) as greater,
    id < all (select e from {{ ref('i') }} where e > o.k) as less_than_all
from {{ ref('o') }} as o
order by (select count(*) from {{ ref('i') }} where e > o.k), k
