{{ config(materialized='incremental', primary_key='user_id', on_match={'seconds': 'sum', 'first_day': 'min'}, on_missing='keep') }}
select user_id, min(day) as first_day, sum(seconds) as seconds
from {{ ref('stg_views') }}
{% if is_incremental() %}
where day > (select coalesce(max(first_day), date '1970-01-01') from {{ this }})
{% endif %}
group by user_id
