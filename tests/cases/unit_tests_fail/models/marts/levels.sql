{{ config(materialized='table', primary_key='user_id') }}
select user_id, sum(seconds) as seconds, case when sum(seconds) >= 7200 then 'heavy' else 'light' end as level, '' as note
from {{ ref('views') }}
group by user_id
