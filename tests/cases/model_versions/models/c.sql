select n from {{ ref('shop', 'orders', version=2) }}
