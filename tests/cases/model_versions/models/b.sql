select n from {{ ref('orders') }}
