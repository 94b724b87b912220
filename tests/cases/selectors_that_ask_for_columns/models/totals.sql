select count(id) as n from {{ ref('orders') }}
