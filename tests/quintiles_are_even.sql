-- A fifth of the users has each score: no score may hold more than one user above another.
with scores as (

    select 'recency' as score, recency_score as value from {{ ref('user_rfa') }} where recency_score > 0
    union all
    select 'frequency' as score, frequency_score as value from {{ ref('user_rfa') }} where frequency_score > 0
    union all
    select 'seniority' as score, seniority_score as value from {{ ref('user_rfa') }}

),

counted as (

    select
        score,
        value,
        count(*) as users
    from scores
    group by
        score,
        value

)

select
    score,
    min(users) as fewest,
    max(users) as most
from counted
group by score
having max(users) - min(users) > 1
