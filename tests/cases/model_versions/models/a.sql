select count(*) as n from {{ ref('orders', v=1) }}
