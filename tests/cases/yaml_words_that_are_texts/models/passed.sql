select code, ok, n from {{ ref('countries') }} cross join (select 7 as n)
