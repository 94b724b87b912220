-- « écoutes »
select * from {{ ref('ordrs') }}
