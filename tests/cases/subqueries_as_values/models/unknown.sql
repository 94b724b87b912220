select k from {{ ref('o') }} where (id in (select e from {{ ref('i') }})) is null or id not in (select e from {{ ref('i') }})
order by k
