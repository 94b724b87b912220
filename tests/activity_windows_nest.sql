-- Seven days lie within thirty, thirty within ninety, ninety within a life.
select
    user_id,
    active_days_7d,
    active_days_30d,
    active_days_90d,
    active_days
from {{ ref('user_navigation') }}
where active_days_7d > active_days_30d
    or active_days_30d > active_days_90d
    or active_days_90d > active_days
    or active_days_7d > 7
    or active_days_30d > 30
    or active_days_90d > 90
