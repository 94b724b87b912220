{{ config(tags=['nightly'], limit=5) }}
select * from {{ ref('orders') }} where status = 'lost'
